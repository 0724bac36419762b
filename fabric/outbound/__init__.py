"""Connections to servers that nobody vouches for."""

"""Searches, from their question to their hits: of objects, links and events, and texts made of them."""

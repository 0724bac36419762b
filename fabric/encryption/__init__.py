"""Encrypted fields: declared, bound to their place, kept apart, carried along, rotated."""

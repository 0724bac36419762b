"""The schema: what is generated from types, and what is the same for everybody."""

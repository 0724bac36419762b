"""The vault, opened from settings and checked."""

"""Type definitions: as written, as kept label by label, as one reader sees them; kinds of values, and fields in SQL."""

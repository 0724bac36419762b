"""SHACL shapes of others, held against what one reader sees: a process for each check."""

"""SPARQL over what one reader sees: a process for each graph, and one more for each question."""

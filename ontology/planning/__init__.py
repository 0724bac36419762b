"""Type definitions that an ontology becomes."""

"""What an ontology says, or data does without one."""

"""What a reader sees, as triples."""

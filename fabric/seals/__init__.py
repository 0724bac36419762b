"""What proves events and audit records, what of it is kept elsewhere, and what is pruned by policy."""

"""Who asks, from which organization, and what they may do."""

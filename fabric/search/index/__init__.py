"""What of each version, link and event is searched: made into words and vectors, and kept current."""

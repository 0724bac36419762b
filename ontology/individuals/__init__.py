"""Objects and links that a graph tells of."""

"""Files of RDF, as a graph."""

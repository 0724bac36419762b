"""RDF in and out: classes are type definitions, individuals are objects and links (see docs/rdf.md)."""

"""Search over objects: what of them is searched, where that is kept, how a query is answered at a label."""

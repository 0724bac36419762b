"""The ground floor: a protocol of what a vault does, and its backends. It knows nothing of the fabric."""

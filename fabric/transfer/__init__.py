"""Import and export: records, and what becomes of them."""

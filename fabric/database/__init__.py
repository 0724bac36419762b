"""PostgreSQL: the tables, sessions and pools, migration, and the server that comes along."""

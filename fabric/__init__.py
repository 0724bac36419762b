"""The core: labels, types, objects, links, events, policy and audit over PostgreSQL."""

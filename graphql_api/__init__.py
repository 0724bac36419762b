"""The top floor: a GraphQL schema made from type definitions, its compiler, and the HTTP application."""

"""The endpoint over HTTP, and files that are downloaded."""

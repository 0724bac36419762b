"""Who searches, for what: on the record, in words of the language and as a vector."""

"""The packaged demo collection: the running interpreter's own documentation, queries and grades."""

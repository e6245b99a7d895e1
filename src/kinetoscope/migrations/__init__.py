"""The database schema, forward only."""

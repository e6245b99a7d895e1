"""How many requests may come, per account and per key."""

"""Tasks: the list of an account's tasks, and everything about one of them."""

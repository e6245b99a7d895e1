"""DOORS in the words of other services, so that their clients find here what they know."""

"""DOOR: what Replicate's clients say.

https://replicate.com/docs/reference/http
"""

"""DOOR: the operator and the user at a terminal."""

"""DOOR for people: pages, and the fragments that change them."""

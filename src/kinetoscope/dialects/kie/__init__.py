"""DOOR: what kie.ai's clients say.

https://docs.kie.ai
"""

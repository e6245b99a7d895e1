"""DOOR: what OpenAI's clients say.

https://platform.openai.com/docs/api-reference
"""

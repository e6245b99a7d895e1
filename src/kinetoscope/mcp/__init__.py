"""DOOR: agents, by the Model Context Protocol at /api/mcp."""

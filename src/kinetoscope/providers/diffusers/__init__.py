"""The diffusers engine: the operator's own pipelines, each device in a process of its own."""

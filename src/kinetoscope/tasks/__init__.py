"""The life of a task, one file per step."""

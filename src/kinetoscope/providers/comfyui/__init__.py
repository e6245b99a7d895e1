"""ComfyUI as an own engine: the operator's workflows, filled in with what a task asks for."""

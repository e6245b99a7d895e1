"""Workflows: a graph in ComfyUI's API format, and where in it a task's wishes go. Pure.

The operator saves a workflow with "Export (API)" and says in the provider's file which input of
which node is the prompt, the seed, and so on:

    [models."my-model"]
    upstream = "flux.json"                      # beside the provider's file
    [models."my-model".options]
    fps = 16
    [models."my-model".options.bind]
    prompt = "6.text"
    seed = "31.seed"
    width = "27.width"
    height = "27.height"
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.contract import Job

FIELDS = (
    "prompt",
    "negative_prompt",
    "seed",
    "width",
    "height",
    "count",
    "duration",
    "frames",
    "fps",
    "filename_prefix",
    "first_frame",
    "last_frame",
    "source",
    *(f"image{number}" for number in range(1, 10)),
    *(f"video{number}" for number in range(1, 4)),
    *(f"audio{number}" for number in range(1, 4)),
)
"""What can be bound. The last ones are references, by the names that prompts cite them under."""
FPS = 24


class WorkflowInvalid(KinetoscopeError):
    """A workflow or its binding cannot be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A graph, and for each field the inputs that take it: (node, input)."""

    graph: Mapping[str, JSON]
    bindings: Mapping[str, tuple[tuple[str, str], ...]]
    fps: int


def load(path: Path, options: Mapping[str, JSON]) -> Workflow:
    """Read a workflow and check its binding; raises WorkflowInvalid."""
    try:
        graph: JSON = orjson.loads(path.read_bytes())
    except OSError as error:
        raise WorkflowInvalid(f"{path.name} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise WorkflowInvalid(f"{path.name} is not JSON: {error}") from None
    if not isinstance(graph, dict) or not graph or not all(map(_is_node, graph.values())):
        raise WorkflowInvalid(
            f"{path.name} is no workflow in API format: nodes by number, each with class_type and"
            " inputs"
        )
    fps = options.get("fps", FPS)
    if not isinstance(fps, int) or isinstance(fps, bool) or fps < 1:
        raise WorkflowInvalid("fps must be a whole number")
    bind = options.get("bind")
    if not isinstance(bind, dict) or "prompt" not in bind:
        raise WorkflowInvalid("options.bind must say at least where the prompt goes")
    bindings = {name: _places(graph, name, place) for name, place in bind.items()}
    return Workflow(graph=graph, bindings=bindings, fps=fps)


def _is_node(node: JSON) -> bool:
    return (
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    )


def _places(graph: dict[str, JSON], name: str, place: JSON) -> tuple[tuple[str, str], ...]:
    if name not in FIELDS:
        raise WorkflowInvalid(f"bind.{name}: there is no such field; there are {', '.join(FIELDS)}")
    listed = place if isinstance(place, list) else [place]
    return tuple(_place(graph, name, each) for each in listed)


def _place(graph: dict[str, JSON], name: str, place: JSON) -> tuple[str, str]:
    node_id, _, field = str(place).partition(".")
    node = graph.get(node_id)
    if not isinstance(node, dict):
        raise WorkflowInvalid(f"bind.{name}: there is no node {node_id!r}")
    inputs = node.get("inputs")
    if not isinstance(inputs, dict) or field not in inputs:
        raise WorkflowInvalid(
            f"bind.{name}: node {node_id} ({node.get('class_type')}) has no input {field!r}"
        )
    return node_id, field


def filled(workflow: Workflow, job: Job) -> dict[str, JSON]:
    """Return the graph with a task's values in it, and references as they were uploaded."""
    graph: dict[str, JSON] = copy.deepcopy(dict(workflow.graph))
    uploaded = {
        field: job.prepared[fetched.name]
        for field, fetched in zip(fields_of(job), job.references, strict=True)
        if fetched.name in job.prepared
    }
    for name, value in {**_values(workflow, job), **uploaded}.items():
        for node_id, field in workflow.bindings.get(name, ()):
            node = graph[node_id]
            if isinstance(node, dict) and isinstance(node["inputs"], dict):
                node["inputs"][field] = value
    return graph


def _values(workflow: Workflow, job: Job) -> dict[str, JSON]:
    order = job.order
    values: dict[str, JSON] = {
        "prompt": order.prompt,
        "negative_prompt": order.inputs.get("negative_prompt"),
        "seed": job.seed,
        "width": order.size.width if order.size else None,
        "height": order.size.height if order.size else None,
        "count": order.count,
        "duration": order.duration_s or None,
        "frames": order.duration_s * workflow.fps + 1 if order.duration_s else None,
        "fps": workflow.fps,
        # Equal graphs are answered from a cache with the first one's files: no two are equal.
        "filename_prefix": f"kinetoscope/{job.task_id}",
    }
    return {name: value for name, value in values.items() if value is not None}


def fields_of(job: Job) -> list[str]:
    """Return under which field each reference of a job can be bound, in their order."""
    fields = []
    for fetched in job.references:
        reference = fetched.reference
        own = {"first_frame", "last_frame", "source"}
        word = str(reference.role)
        fields.append(word if word in own else f"{reference.kind}{reference.number}")
    return fields


def unbound(workflow: Workflow, job: Job) -> str | None:
    """Return a reference that the workflow has no place for."""
    return next((name for name in fields_of(job) if name not in workflow.bindings), None)

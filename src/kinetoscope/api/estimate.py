"""estimateTask: createTask's dry run."""

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts.opening import Caller
from kinetoscope.api.body import read_body
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer, credits_json, error_body
from kinetoscope.api.jobs import CREATE_TASK, UNCACHEABLE, parse_request
from kinetoscope.kernel.credits import Credits
from kinetoscope.tasks.estimate import Estimate, estimate
from kinetoscope.tasks.request import SCOPE
from kinetoscope.wiring import egress_of

CREDITS = {"type": "number"}

ESTIMATE_TASK = Operation(
    summary="Tell what a task would cost",
    tag="jobs",
    description="Checks and prices a request as createTask would, and writes nothing.",
    body=CREATE_TASK.body,
    answer={
        "type": "object",
        "required": ["model", "inputs", "creditsRequired", "balance", "route", "allowed"],
        "properties": {
            "model": {"type": "string"},
            "inputs": {"type": "object", "description": "With every default filled in"},
            "creditsRequired": CREDITS,
            "settles": {
                "type": "boolean",
                "description": "Whether only the finished task shows the final price",
            },
            "cached": {"type": "boolean", "description": "Whether earlier media would be shown"},
            "uncacheable": UNCACHEABLE,
            "route": {
                "type": "object",
                "required": ["provider"],
                "properties": {"provider": {"type": "string"}},
            },
            "balance": {
                "type": "object",
                "required": ["available", "after"],
                "properties": {"available": CREDITS, "after": CREDITS},
            },
            "allowed": {"type": "boolean"},
            "refusal": {
                "type": ["object", "null"],
                "description": "What createTask would answer just now instead of taking the task",
            },
        },
    },
    answers={400: "The request, the model or its inputs are not valid", 413: "It is too large"},
)


def mount(doors: Doors) -> None:
    """Add estimateTask."""
    runtime = doors.runtime
    egress = egress_of(runtime.settings)

    async def estimate_task(request: Request, caller: Caller) -> Response:
        """Check and price a request; write nothing."""
        body = await read_body(request, runtime.settings.body_bytes_max)
        asked = parse_request(body, request.headers, egress)
        found = await estimate(
            runtime.database, runtime.catalog, runtime.routes, caller, asked, runtime.clock()
        )
        return answer(estimate_json(found))

    doors.guarded("POST", "/api/v1/jobs/estimateTask", SCOPE, estimate_task, ESTIMATE_TASK)


def estimate_json(found: Estimate) -> dict[str, object]:
    """Return an estimate for the wire."""
    after = Credits(found.available - found.price)
    return {
        "model": found.order.model,
        "inputs": dict(found.order.inputs),
        "creditsRequired": credits_json(found.price),
        "settles": found.settles,
        "cached": found.cached,
        **({} if found.uncacheable is None else {"uncacheable": found.uncacheable}),
        "route": {"provider": found.provider},
        "balance": {"available": credits_json(found.available), "after": credits_json(after)},
        "allowed": found.refusal is None,
        "refusal": None if found.refusal is None else error_body(found.refusal),
    }

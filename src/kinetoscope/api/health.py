"""What watches the server: is it alive, can it serve, how much is there to do."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.tasks import measure

LIVEZ = Operation(summary="Tell whether this process can answer", tag="health")
READYZ = Operation(
    summary="Tell whether the database answers", tag="health", answers={503: "It does not"}
)
METRICS = Operation(
    summary="Give the figures in Prometheus' form",
    tag="health",
    answer={"type": "string"},
    answer_type="text/plain",
    answers={503: "The database does not answer"},
)


def mount(doors: Doors) -> None:
    """Add /livez, /readyz and /metrics."""
    runtime = doors.runtime

    async def livez(_request: Request) -> Response:
        """Answer as long as this process can."""
        return answer({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        """Answer 200 while the database answers, and 503 otherwise."""
        await measure.backlog(runtime.database)
        return answer({"status": "ok"})

    async def metrics(_request: Request) -> Response:
        """Give the figures in Prometheus' form; they are the database's, so any process knows."""
        registry = CollectorRegistry()
        tasks = Gauge(
            "kinetoscope_tasks",
            "Open tasks by state and model",
            ["status", "model"],
            registry=registry,
        )
        for count in await measure.task_counts(runtime.database):
            tasks.labels(count.status, count.model).set(count.tasks)
        backlog = await measure.backlog(runtime.database)
        Gauge("kinetoscope_tasks_open", "Tasks not ended", registry=registry).set(
            backlog.open_tasks
        )
        Gauge(
            "kinetoscope_oldest_waiting_seconds",
            "Age of the oldest task that nobody has begun",
            registry=registry,
        ).set(backlog.oldest_waiting_s)
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    doors.open("GET", "/livez", livez, LIVEZ)
    doors.open("GET", "/readyz", readyz, READYZ)
    doors.open("GET", "/metrics", metrics, METRICS)

"""What watches the server: is it alive, can it serve, how much is there to do."""

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from kinetoscope.api.envelope import answer
from kinetoscope.tasks import measure
from kinetoscope.wiring import Runtime


def router(runtime: Runtime) -> APIRouter:
    """Return /livez, /readyz and /metrics."""
    routes = APIRouter(tags=["health"])

    @routes.get("/livez")
    async def livez() -> Response:
        """Answer as long as this process can."""
        return answer({"status": "ok"})

    @routes.get("/readyz")
    async def readyz() -> Response:
        """Answer 200 while the database answers, and 503 otherwise."""
        await measure.backlog(runtime.database)
        return answer({"status": "ok"})

    @routes.get("/metrics")
    async def metrics() -> Response:
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

    return routes

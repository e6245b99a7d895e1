"""The Python client: `Kinetoscope` and, for asyncio, `AsyncKinetoscope`.

    from kinetoscope.client import Kinetoscope

    with Kinetoscope() as client:
        task = client.run("seedance-20", {"prompt": "A golden sunset over a calm sea"})
        client.download(task, "sunset.mp4")

It needs httpx and nothing of the server: `pip install 'kinetoscope[client]'`. docs/python.md.
"""

from kinetoscope.client.async_client import AsyncKinetoscope
from kinetoscope.client.errors import (
    ClientError,
    ConcurrencyLimit,
    Conflict,
    DownloadFailed,
    Forbidden,
    Gone,
    IdempotencyMismatch,
    InsufficientCredits,
    InvalidInputs,
    InvalidRequest,
    KeySpent,
    Misconfigured,
    NotFound,
    RateLimited,
    Refused,
    ServerFailed,
    TaskCancelled,
    TaskFailed,
    TooLarge,
    Unauthenticated,
    UnexpectedAnswer,
    UnknownModel,
    Unreachable,
    Unsupported,
    WaitTimedOut,
    WebhookInvalid,
)
from kinetoscope.client.sync_client import Kinetoscope
from kinetoscope.client.values import (
    Cancellation,
    Credits,
    Estimate,
    File,
    Issue,
    Model,
    Output,
    Status,
    Submitted,
    Task,
    TaskError,
    Update,
    WebhookEvent,
)
from kinetoscope.client.webhooks import verify_webhook

__all__ = [
    "AsyncKinetoscope",
    "Cancellation",
    "ClientError",
    "ConcurrencyLimit",
    "Conflict",
    "Credits",
    "DownloadFailed",
    "Estimate",
    "File",
    "Forbidden",
    "Gone",
    "IdempotencyMismatch",
    "InsufficientCredits",
    "InvalidInputs",
    "InvalidRequest",
    "Issue",
    "KeySpent",
    "Kinetoscope",
    "Misconfigured",
    "Model",
    "NotFound",
    "Output",
    "RateLimited",
    "Refused",
    "ServerFailed",
    "Status",
    "Submitted",
    "Task",
    "TaskCancelled",
    "TaskError",
    "TaskFailed",
    "TooLarge",
    "Unauthenticated",
    "UnexpectedAnswer",
    "UnknownModel",
    "Unreachable",
    "Unsupported",
    "Update",
    "WaitTimedOut",
    "WebhookEvent",
    "WebhookInvalid",
    "verify_webhook",
]

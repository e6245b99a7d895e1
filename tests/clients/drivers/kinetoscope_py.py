"""Our own client for Python: it speaks natively, and is put through what the others are."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from kinetoscope.client import ClientError, Kinetoscope, Refused, Task, verify_webhook

URL = os.environ["KINETOSCOPE_TEST_URL"]  # noqa: TID251

CLIENTS: dict[str, Kinetoscope] = {}


def client(key: str) -> Kinetoscope:
    return CLIENTS.setdefault(key, Kinetoscope(key, URL))


def told(task: Task) -> dict[str, Any]:
    return {
        "state": str(task.status),
        "urls": [output.url for output in task.outputs],
        "error": None if task.error is None else task.error.message,
    }


def inputs(asked: dict[str, Any], **further: object) -> dict[str, Any]:
    return {"prompt": asked["prompt"], **(asked.get("inputs") or {}), **further}


def create(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    callback = asked.get("callback")
    made = client(key).submit(asked["model"], inputs(asked), callback_url=callback)
    return {"id": made.id, "state": "waiting"}


def get(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return told(client(key).get(asked["id"]))


def wait(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return told(client(key).wait(asked["id"], must_succeed=False))


def run(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return told(client(key).run(asked["model"], inputs(asked)))


def stream(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    made = client(key).submit(asked["model"], inputs(asked))
    return {"events": [str(update.status) for update in client(key).subscribe(made)]}


def cancel(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    client(key).cancel(asked["id"])
    return get(key, asked)


def upload(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"reference": client(key).upload(Path(asked["path"]))}


def create_with(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    given = inputs(asked, uploadedUrls=[Path(asked["path"])])
    return {"id": client(key).submit(asked["model"], given).id}


def download(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    path = Path(asked["to"])
    client(key).download(client(key).get(asked["id"]), path)
    return {"bytes": path.stat().st_size}


def listing(key: str, _asked: dict[str, Any]) -> dict[str, Any]:
    return {"ids": [task.id for task in client(key).list()]}


def verify(_key: str, asked: dict[str, Any]) -> dict[str, Any]:
    event = verify_webhook(asked["body"], asked["headers"], asked["secret"])
    return {"verified": True, "id": event.task.id}


VERBS = {
    "create": create,
    "get": get,
    "wait": wait,
    "run": run,
    "stream": stream,
    "cancel": cancel,
    "upload": upload,
    "create_with": create_with,
    "download": download,
    "list": listing,
    "verify": verify,
}


def answer(line: str) -> dict[str, Any]:
    asked = json.loads(line)
    try:
        return {"ok": VERBS[asked["verb"]](asked["key"], asked)}
    except ClientError as error:
        status = error.status if isinstance(error, Refused) else None
        return {"error": {"type": type(error).__name__, "status": status, "message": str(error)}}


for line in sys.stdin:
    print(json.dumps(answer(line)), flush=True)  # noqa: T201 - the answer

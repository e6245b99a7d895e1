"""What an adapter's submit is made of, from a client's inputs, without anybody being called."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.calling import Answer, Call
from kinetoscope.kernel.order import JSON, Order
from kinetoscope.providers.adapter import Adapter, Ask, Attached, Site
from kinetoscope.providers.contract import FetchedReference, Job, Kind, Refused

MEDIA_TYPES = {"image": "image/png", "video": "video/mp4", "audio": "audio/mpeg"}
SEED = 7


def asked(adapter: Adapter, order: Order, model: str = "", **options: JSON) -> Ask:
    """Ask for an order; its references are at up://image-1 and the like, 32 by 16 pixels."""
    fetched = [
        FetchedReference(
            reference=reference,
            path=Path("nowhere"),
            media_type=MEDIA_TYPES[reference.kind],
            width=32,
            height=16,
            duration_ms=5000,
        )
        for reference in order.references
    ]
    job = Job(
        task_id="task_asked",
        order=order,
        seed=SEED,
        references=tuple(fetched),
        folder=Path("nowhere"),
        upstream_model=model or adapter.models[order.model],
        options=options,
    )
    attached = tuple(
        Attached(fetched=each, url=f"up://{each.reference.kind}-{each.reference.number}")
        for each in fetched
    )
    return Ask(job=job, site=Site(base_url="https://up.example", key="key"), attached=attached)


def ordered(model: str, prompt: str = "A fox", **inputs: object) -> Order:
    """Check a client's inputs; `images`, `videos` and `audios` say how many there are."""
    counts = {kind: inputs.pop(f"{kind}s", 0) for kind in MEDIA_TYPES}
    urls: dict[str, object] = {
        f"{kind}Urls": [f"https://example.com/{kind}{number}" for number in range(int(str(count)))]
        for kind, count in counts.items()
        if count
    }
    return check.check(builtin().find(model), {"prompt": prompt, **urls, **inputs}, auto_fix=False)


def sent(ask: Ask, adapter: Adapter) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a submit."""
    call = adapter.submit(ask)
    assert isinstance(call, Call), call
    assert isinstance(call.json, dict)
    return call.url, call.json


def called_back(ask: Ask, url: str) -> Ask:
    """The same, with an address for news."""
    return replace(ask, job=replace(ask.job, callback_url=url))


def unsupported(ask: Ask, adapter: Adapter) -> str:
    """Return what is said where another upstream has to do it."""
    refused = adapter.submit(ask)
    assert isinstance(refused, Refused), refused
    assert refused.kind is Kind.UNSUPPORTED
    return refused.message


def answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An upstream's answer."""
    return Answer(status=status, headers=headers or {}, body=json.dumps(body).encode())

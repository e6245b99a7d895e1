"""What /llms-full.txt says besides routes and models, made from what is declared elsewhere."""

from dataclasses import dataclass

import orjson

from kinetoscope.accounts.accounts import TASKS_RUNNING_MAX_DEFAULT
from kinetoscope.api.doors import Declared
from kinetoscope.api.openapi import ENDED
from kinetoscope.api.rehearsals import WORDS
from kinetoscope.api.schemas import RECORD
from kinetoscope.api.told_headers import HEADERS, POLICY, RATE, RETRY
from kinetoscope.api.webhook_shapes import SENT_HEADERS
from kinetoscope.limits.gcra import Pace
from kinetoscope.tasks import rehearsal
from kinetoscope.webhooks import schedule


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the text."""

    title: str
    text: str

    @property
    def markdown(self) -> str:
        """The part as Markdown."""
        return f"## {self.title}\n\n{self.text}\n"


def chapters(declared: list[Declared], pace: Pace | None) -> list[Chapter]:
    """Return what there is to say of webhooks, limits, test keys and agents."""
    return [
        Chapter("Webhooks", _webhooks()),
        Chapter("Limits", _limits(pace)),
        Chapter("Test keys", _test_keys()),
        Chapter("Agents", _agents(declared)),
    ]


def _webhooks() -> str:
    record = RECORD["examples"][0]
    example = {
        "code": 200,
        "message": "success",
        "data": {
            **record,
            "state": record["status"],
            "orderId": "order_" + record["taskId"].removeprefix("task_"),
            "updateTime": record["completeTime"],
        },
    }
    return f"""{ENDED["description"]}

```json
{orjson.dumps(example).decode()}
```

It comes up to {len(schedule.DELAYS_S) + 1} times. Each has these headers:

{_lines(SENT_HEADERS)}

`POST /api/v1/webhooks/secret` makes the secret (`whsec_` and base64) and shows it once. The key of
`webhook-signature` is what the base64 after `whsec_` stands for; any library of Standard Webhooks
verifies it. After a secret was replaced there is a signature for each one that is still valid."""


def _limits(pace: Pace | None) -> str:
    running = f"{TASKS_RUNNING_MAX_DEFAULT} tasks of an account run at once"
    requests = "requests are not limited"
    if pace is not None:
        requests = (
            f"{pace.per_second} requests a second in the long run, {pace.burst} at once, are taken"
        )
    headers = _lines({name: HEADERS[name]["description"] for name in (RATE, POLICY, RETRY)})
    return f"""Unless the operator says otherwise, {running}, and {requests}. Live and test keys are
counted by themselves. What is over a limit is refused with 429 and leaves no trace: nothing is
queued or charged. A key may have limits of its own. Answers say how things stand:

{headers}"""


def _test_keys() -> str:
    words = _lines({word.value: text for word, text in WORDS.items()})
    return f"""A key that begins with `kino_test_` costs nothing and never reaches a real provider.
It reads what the account has, changes only tasks of test keys, and changes nothing that holds for
the whole account. The header `{rehearsal.HEADER}`, or a prompt that begins with
`{rehearsal.PROMPT_PREFIX}` and a word, says how a task shall go:

{words}"""


def _agents(declared: list[Declared]) -> str:
    return "\n\n".join(
        f"`{route.method} {route.path}`: {route.operation.summary}. {route.operation.description}"
        for route in declared
        if route.operation.tag == "mcp"
    )


def _lines(told: dict[str, str]) -> str:
    return "\n".join(f"- `{name}`: {text}" for name, text in told.items())

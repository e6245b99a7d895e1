"""What every client is put through: each story asks it in its own words, and looks at our books."""

import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image
from tests.clients.driver import Driver, Failed
from tests.clients.sdks import Sdk
from tests.clients.stack import Keys, Stack
from tests.story.deployment import wait_until

MODERATED = "test:moderation a prompt"
SLOW = "test:slow a prompt"
REFUSED = {402, 403, 429}


def create(driver: Driver, sdk: Sdk, key: str, prompt: str, **further: object) -> str:
    """Have a client create a task."""
    inputs = {**sdk.inputs, **further.pop("inputs", {})}  # type: ignore[dict-item]
    made = driver.ask("create", key, model=sdk.model, prompt=prompt, inputs=inputs, **further)
    assert made["id"].startswith("task_")
    return str(made["id"])


def poll(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """Create, poll until it has ended; it was made and charged once."""
    driver = stack.driver(sdk.driver)
    task_id = create(driver, sdk, keys.live, "a red kite")
    states = []

    def has_ended() -> bool:
        states.append(driver.ask("get", keys.live, id=task_id)["state"])
        return states[-1] in {sdk.success, sdk.failed}

    wait_until(has_ended, 60, f"{sdk.title}: the task ends", every_s=0.1)
    assert states[-1] == sdk.success, states
    assert stack.record(keys.live, task_id)["status"] == "success"
    assert stack.charges(task_id) == ["hold", "capture"]


def wait(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """Wait by the client's own means; the files are told."""
    driver = stack.driver(sdk.driver)
    task_id = create(driver, sdk, keys.live, "a green kite")
    ended = driver.ask("wait", keys.live, id=task_id)
    assert ended["state"] == sdk.success
    assert stack.record(keys.live, task_id)["output"]


def run(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """One call that makes and waits."""
    driver = stack.driver(sdk.driver)
    inputs = dict(sdk.run_inputs)
    made = driver.ask("run", keys.live, model=sdk.runs, prompt="a blue kite", inputs=inputs)
    assert made.get("urls") or made.get("bytes", 0) > 1000
    (task_id,) = stack.tasks(keys.account_id)
    assert stack.charges(task_id) == ["hold", "capture"]


def stream(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """Follow one task as it goes."""
    driver = stack.driver(sdk.driver)
    told = driver.ask("stream", keys.live, model=sdk.runs, prompt="a kite", inputs={})
    assert told["events"]
    (task_id,) = stack.tasks(keys.account_id)
    assert stack.record(keys.live, task_id)["status"] == "success"


def cancel(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """Cancel a slow task; nothing is charged."""
    driver = stack.driver(sdk.driver)
    task_id = create(driver, sdk, keys.test, SLOW)
    driver.ask("cancel", keys.test, id=task_id)
    if sdk.driver.startswith("openai"):
        # There a cancel is a delete: nobody is shown it any more once it has ended.
        wait_until(lambda: stack.charges(task_id)[-1] == "release", 30, "the hold is released")
        return
    record = stack.ended(keys.test, task_id)
    assert (record["status"], record["error"]["code"]) == ("fail", "cancelled")
    assert driver.ask("get", keys.test, id=task_id)["state"] == sdk.cancelled


def upload(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """Bring a picture along by the client's own means, and make something of it."""
    driver = stack.driver(sdk.driver)
    path = str(stack.picture())
    reference = driver.ask("upload", keys.live, path=path)["reference"]
    made = driver.ask(
        "create_with",
        keys.live,
        model=sdk.model,
        prompt="the same in winter",
        inputs=dict(sdk.inputs),
        path=path,
        reference=reference,
    )
    assert stack.ended(keys.live, made["id"])["status"] == "success"
    assert stack.tasks(keys.account_id) == [made["id"]]
    assert any(_is_picture(each) for each in stack.media_of(made["id"]))


def _is_picture(address: str) -> bool:
    """Whether an input is a picture of ours, or the picture itself."""
    return "/media/" in address or address.startswith("data:image/png")


def download(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """Download what was made, and open it."""
    driver = stack.driver(sdk.driver)
    task_id = create(driver, sdk, keys.live, "a paper kite")
    stack.ended(keys.live, task_id)
    path = stack.folder / f"{sdk.driver}-file"
    driver.ask("download", keys.live, id=task_id, to=str(path))
    output = stack.record(keys.live, task_id)["output"][0]
    if output["mediaType"].startswith("image/"):
        with Image.open(path) as image:
            image.load()
            assert image.size == (output["width"], output["height"])
    else:
        _require_clip(path, output["duration"])


def _require_clip(path: Path, duration_s: float) -> None:
    with av.open(path) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert abs(frames / 24 - duration_s) < 0.2


def fail(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """A task that fails says why, and costs nothing."""
    driver = stack.driver(sdk.driver)
    task_id = create(driver, sdk, keys.test, MODERATED)
    stack.ended(keys.test, task_id)
    try:
        ended = driver.ask("wait", keys.test, id=task_id)
    except Failed as error:
        told = error.message
    else:
        assert ended["state"] == sdk.failed
        told = str(ended["error"])
    assert "violates platform rules" in told


def credits_short(stack: Stack, sdk: Sdk, _keys: Keys) -> None:
    """Out of credits: one clear refusal, asked for once, and no task."""
    poor = stack.keys("0.01")
    _require_one_refusal(stack, sdk, poor.live, "a kite", "redit")
    assert stack.tasks(poor.account_id) == []


def cap(stack: Stack, sdk: Sdk, _keys: Keys) -> None:
    """Over the cap: one clear refusal, asked for once, and no further task."""
    full = stack.keys("0.01", tasks_running_max=1)
    with stack.deployed.client(full.test) as client:
        stack.deployed.create(client, "gpt-image-2", prompt=SLOW)
    _require_one_refusal(stack, sdk, full.test, "a kite", "oncurrency")
    assert len(stack.tasks(full.account_id)) == 1


def _require_one_refusal(stack: Stack, sdk: Sdk, key: str, prompt: str, word: str) -> None:
    driver, before = stack.driver(sdk.driver), len(stack.proxy.seen)
    with pytest.raises(Failed) as refused:
        create(driver, sdk, key, prompt)
    assert word in refused.value.message
    assert len(stack.proxy.posts(before)) == sdk.posts, stack.proxy.posts(before)


def stranger(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """Somebody else's task is not shown, and a bad key opens nothing."""
    driver, other = stack.driver(sdk.driver), stack.keys("1")
    task_id = create(driver, sdk, keys.test, SLOW)
    for key in (other.live, "kino_live_nonsense"):
        with pytest.raises(Failed) as refused:
            driver.ask("get", key, id=task_id)
        assert refused.value.status in {401, 403, 404}, refused.value


def listing(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """List what there is; what was made natively is there too."""
    driver = stack.driver(sdk.driver)
    task_id = create(driver, sdk, keys.test, SLOW)
    with stack.deployed.client(keys.test) as client:
        own = stack.deployed.create(client, "seedance2.0-mini", prompt=SLOW)
    assert set(driver.ask("list", keys.test)["ids"]) == {task_id, own}


def lost_answer(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """The first answer is lost on the way: whatever the client does, there is one task."""
    driver = stack.driver(sdk.driver)
    stack.proxy.swallowed = 1
    # These send again without a word of it: only a name of the user's own tells.
    is_silent = sdk.driver.startswith(("fal", "replicate_js"))
    headers = {"Idempotency-Key": f"one-{sdk.driver}"} if is_silent else {}
    try:
        create(driver, sdk, keys.test, SLOW, headers=headers)
    except Failed as error:
        assert not sdk.repeats, error  # noqa: PT017
        assert error.status is None or error.status >= 500, error  # noqa: PT017
    finally:
        stack.proxy.swallowed = 0
    assert len(stack.tasks(keys.account_id)) == 1


def played_busy(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """Something between client and server answers 503: retries make one task, or none."""
    driver = stack.driver(sdk.driver)
    stack.proxy.answers = [503]
    made = 0
    try:
        create(driver, sdk, keys.test, SLOW)
        made = 1
    except Failed as error:
        assert not sdk.repeats, error  # noqa: PT017
        assert error.status == 503, error  # noqa: PT017
    finally:
        stack.proxy.answers = []
    assert len(stack.tasks(keys.account_id)) == made


def webhook(stack: Stack, sdk: Sdk, keys: Keys) -> None:
    """The end is told in the client's words, and its own verifier believes it, once."""
    driver = stack.driver(sdk.driver)
    secret = stack.webhook_secret(keys.live)
    address = stack.receiver.address()
    task_id = create(driver, sdk, keys.live, "a white kite", callback=address)
    stack.ended(keys.live, task_id)
    wait_until(
        lambda: any(_tells_the_end(each.body) for each in stack.receiver.told(address)),
        30,
        "the end is told",
    )
    called = next(each for each in stack.receiver.told(address) if _tells_the_end(each.body))
    told = driver.ask("verify", keys.live, headers=called.headers, body=called.body, secret=secret)
    assert told["id"] == task_id
    ends = [each for each in stack.receiver.told(address) if _tells_the_end(each.body)]
    assert len(ends) == 1
    with pytest.raises(Failed):
        driver.ask(
            "verify",
            keys.live,
            headers=called.headers,
            body=called.body.replace(task_id, "task_" + "0" * 24),
            secret=secret,
        )


def _tells_the_end(body: str) -> bool:
    """Whether a body tells of a success, in whatever words."""
    told = json.loads(body)
    words = {"video.completed", "image.completed", "succeeded", "OK", 200}
    return bool({told.get("type"), told.get("status"), told.get("code")} & words)


STORIES: dict[str, Callable[[Stack, Sdk, Keys], None]] = {
    "poll": poll,
    "wait": wait,
    "run": run,
    "stream": stream,
    "cancel": cancel,
    "upload": upload,
    "download": download,
    "list": listing,
    "webhook": webhook,
    "fail": fail,
    "credits": credits_short,
    "cap": cap,
    "stranger": stranger,
    "lost_answer": lost_answer,
    "busy": played_busy,
}

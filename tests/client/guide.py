# ruff: noqa: ANN001, E402, T201, TID251
# fmt: off
"""The programs of docs/python.md. Written by `python -m tests.client.generate`."""

from kinetoscope.client import Kinetoscope

with Kinetoscope() as client:
    task = client.run("seedance-20", {"prompt": "A golden sunset over a calm sea", "duration": 5})
    client.download(task, "sunset.mp4")
    print(task.credits, "credits")

from pathlib import Path

estimate = client.estimate("seedance-20", {"prompt": "Waves", "duration": 5})
print(estimate.required, "of", estimate.available, "credits")

made = client.submit(
    "seedance-20",
    {"prompt": "@image1 comes alive", "imageUrls": [Path("cat.png")]},
    callback_url="https://example.com/hook",
)
for update in client.subscribe(made):
    print(update.status, update.progress_percent)

task = client.wait(made)
client.download(task, "clips/")

import asyncio

from kinetoscope.client import AsyncKinetoscope


async def main():
    async with AsyncKinetoscope() as client:
        prompts = ["a red boat", "a blue boat"]
        tasks = await asyncio.gather(*(client.run("gpt-image-2", {"prompt": p}) for p in prompts))
        for task in tasks:
            await client.download(task, f"{task.id}.png")


asyncio.run(main())

from kinetoscope.client import ConcurrencyLimit, InsufficientCredits, InvalidInputs, TaskFailed

try:
    task = client.run("seedance-20", {"prompt": "Waves"}, wait_for_room_s=120)
except InsufficientCredits as error:
    print("missing", error.required - error.available)
except ConcurrencyLimit as error:
    print(error.current, "of", error.limit, "tasks run already")
except InvalidInputs as error:
    print([issue.text for issue in error.issues])
except TaskFailed as error:
    print(error.code, error.message, error.task.id)  # nothing was charged

from kinetoscope.client import ClientError
from kinetoscope.client.catalog_types import Seedance20Inputs

alive: Seedance20Inputs = {"prompt": "@image1 comes alive", "imageUrls": [client.upload("cat.png")]}
try:
    task = client.run("seedance-20", alive, timeout_s=600)
except ClientError as error:
    print(error.task_id, error.may_have_worked)
    task = client.run("seedance-20", alive, idempotency_key=error.idempotency_key)

import os

from kinetoscope.client import WebhookInvalid, verify_webhook


def hook(body, headers):  # the bytes as they came, and the headers
    try:
        event = verify_webhook(body, headers, os.environ["WEBHOOK_SECRET"])
    except WebhookInvalid:
        return 401
    print(event.id, event.task.id, event.task.status)
    return 204

from kinetoscope.client.catalog_types import Seedance20Inputs

inputs: Seedance20Inputs = {"prompt": "Waves", "duration": 5, "aspectRatio": "9:16"}

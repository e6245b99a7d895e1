"""The client: every call of the API as a method, for one thread or many."""

import json as json_module
from collections.abc import Iterator, Mapping
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from kinetoscope.client import address, downloading, following, jobs, uploading
from kinetoscope.client.arguments import query_of, uploadable
from kinetoscope.client.asking import asked_json, request_for
from kinetoscope.client.catalog_types import by_model
from kinetoscope.client.jobs import Order
from kinetoscope.client.perform_sync import iterate, perform
from kinetoscope.client.values import (
    Cancellation,
    Credits,
    Estimate,
    Model,
    Output,
    Status,
    Submitted,
    Task,
    Update,
    task_id_of,
)


class Kinetoscope:
    """A Kinetoscope server, asked over HTTP.

    `key` and `url` are those of KINETOSCOPE_KEY and KINETOSCOPE_URL unless given, and at last
    http://127.0.0.1:8000. Each answer may take `timeout_s` seconds; lost connections, lost answers
    and refusals that pass are tried `retries` times more, with growing delays. Every method raises
    the errors of `kinetoscope.client.errors`. `http` is an httpx client of yours to use instead.
    """

    def __init__(
        self,
        key: str | None = None,
        url: str | None = None,
        *,
        timeout_s: float = address.TIMEOUT_S,
        retries: int = address.RETRIES,
        http: httpx.Client | None = None,
    ) -> None:
        self._server = address.server(key, url, timeout_s, retries)
        self._owns_http = http is None
        self._http = http or httpx.Client(
            timeout=address.timeout(self._server), limits=address.POOL
        )

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._server.url

    def __enter__(self) -> Self:
        """Return itself; its connections are closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections, unless they are those of an httpx client of yours."""
        if self._owns_http:
            self._http.close()

    @by_model
    def run(  # noqa: PLR0913 - each is an option
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        callback_url: str | None = None,
        auto_fix: bool = False,
        use_cache: bool = False,
        test_outcome: str | None = None,
        idempotency_key: str | None = None,
        wait_for_room_s: float = 0.0,
    ) -> Task:
        """Make a task, wait for its end, and return it as it then stands.

        Paths in `inputs` are uploaded. Raises TaskFailed, or WaitTimedOut `timeout_s` after that:
        the task goes on then; Unreachable where the server does not even say so. Every error has
        the `task_id`, and the `idempotency_key` with which the same call makes no second task.
        The other options are those of `submit`.
        """
        order = Order(
            model=model,
            inputs=inputs,
            callback_url=callback_url,
            auto_fix=auto_fix,
            use_cache=use_cache,
            test_outcome=test_outcome,
            idempotency_key=idempotency_key,
            wait_for_room_s=wait_for_room_s,
        )
        return perform(jobs.run(self._server, order, timeout_s), self._http)

    @by_model
    def submit(  # noqa: PLR0913 - each is an option
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        callback_url: str | None = None,
        auto_fix: bool = False,
        use_cache: bool = False,
        test_outcome: str | None = None,
        idempotency_key: str | None = None,
        wait_for_room_s: float = 0.0,
    ) -> Submitted:
        """Make a task and return its id; what it costs is held from then on.

        However often the request has to be repeated, it makes one task: it carries an
        Idempotency-Key, yours or one that is made for this call. An account that runs as many tasks
        as it may is waited for up to `wait_for_room_s` seconds. `test_outcome` is for test keys.
        An error where a task may have been made has its `idempotency_key`, and the `task_id` if it
        is known.
        """
        order = Order(
            model=model,
            inputs=inputs,
            callback_url=callback_url,
            auto_fix=auto_fix,
            use_cache=use_cache,
            test_outcome=test_outcome,
            idempotency_key=idempotency_key,
            wait_for_room_s=wait_for_room_s,
        )
        return perform(jobs.submit(self._server, order), self._http)

    @by_model
    def estimate(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        auto_fix: bool = False,
        use_cache: bool = False,
        test_outcome: str | None = None,
    ) -> Estimate:
        """Tell what a task would cost and whether it would be taken; nothing is made or held."""
        order = Order(
            model=model,
            inputs=inputs,
            auto_fix=auto_fix,
            use_cache=use_cache,
            test_outcome=test_outcome,
        )
        return perform(jobs.estimate(self._server, order), self._http)

    def get(self, task: Task | Submitted | str) -> Task:
        """Read a task as it stands; one that failed is returned too."""
        return perform(jobs.get(self._server, task_id_of(task)), self._http)

    def wait(
        self,
        task: Task | Submitted | str,
        *,
        timeout_s: float | None = None,
        must_succeed: bool = True,
    ) -> Task:
        """Wait for a task's end, and return it.

        Raises TaskFailed if it must succeed and did not, and WaitTimedOut after `timeout_s`; where
        the server is silent then, Unreachable, five seconds later.
        """
        steps = jobs.wait(self._server, task_id_of(task), timeout_s, must_succeed=must_succeed)
        return perform(steps, self._http)

    def subscribe(self, task: Task | Submitted | str) -> Iterator[Update]:
        """Tell whenever something happens to a task; the last update carries the ended task.

        It connects again after a break, and asks now and then where streams do not get through.
        """
        updates: Iterator[Update] = iterate(
            following.follow(self._server, task_id_of(task)), self._http
        )
        return updates

    def cancel(self, task: Task | Submitted | str) -> Cancellation:
        """Want a task's end; what became of that is in the answer."""
        return perform(jobs.cancel(self._server, task_id_of(task)), self._http)

    def delete(self, task: Task | Submitted | str) -> None:
        """Have an ended task's inputs and files removed, for good. Again changes nothing."""
        perform(jobs.delete(self._server, task_id_of(task)), self._http)

    def list(
        self,
        *,
        status: Status | None = None,
        model: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[Task]:
        """Tell of the account's tasks, newest first; pages are fetched as they are needed."""
        query = query_of(
            status=status, model=model, createdAfter=created_after, createdBefore=created_before
        )
        tasks: Iterator[Task] = iterate(jobs.listing(self._server, query, limit), self._http)
        return tasks

    def models(self) -> tuple[Model, ...]:
        """List the models; needs no key."""
        return perform(jobs.models(self._server), self._http)

    def model(self, model_id: str) -> Model:
        """Describe a model: its inputs as JSON Schema, its prices; needs no key."""
        return perform(jobs.model(self._server, model_id), self._http)

    def credits(self) -> Credits:
        """Tell the account's credits."""
        return perform(jobs.credits_left(self._server), self._http)

    def upload(self, file: str | PathLike[str] | bytes, *, name: str | None = None) -> str:
        """Upload a file, and return the address that inputs take for a day.

        Bytes need a `name` whose ending says what they are, such as "cat.png".
        """
        source, called = uploadable(file, name)
        return perform(uploading.upload(self._server, source, called), self._http)

    def uploaded(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs with their files uploaded, to use them more than once."""
        return perform(uploading.uploaded(self._server, inputs), self._http)

    def download(
        self,
        source: Task | Submitted | Output | str,
        to: str | PathLike[str],
        *,
        overwrite: bool = True,
    ) -> tuple[Path, ...]:
        """Save the files of a task, one of them, or what an address holds; return where they are.

        `to` is a file's path, or a folder if there is one or it ends with a slash. Several files
        become `name-1.mp4`, `name-2.mp4`. A name shows only a whole file: what breaks off is
        continued, and what cannot be had whole raises DownloadFailed, as a task that goes on does.
        Without `overwrite`, FileExistsError says that something of the name is there.
        """
        steps = downloading.download_all(self._server, source, to, overwrite=overwrite)
        return perform(steps, self._http)

    def ask(self, method: str, path: str, json: object = None) -> Any:  # noqa: ANN401 - JSON
        """Ask what has no method here, such as ("GET", "/api/v1/account"); return the JSON.

        It is repeated like everything else: use it for what does no harm when it is done twice.
        """
        content = None if json is None else json_module.dumps(json).encode()
        request = request_for(self._server, method, path, content=content)
        return perform(asked_json(self._server, request), self._http)

"""The calls that ComfyUI answers, as far as we need them; one that fails raises.

https://docs.comfy.org/development/comfyui-server/comms_routes
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit, urlunsplit

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, Caller, FilePart, Malformed
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.adapter import Site, bearer, items_at, segment, text_at
from kinetoscope.providers.comfyui.workflow import fields_of
from kinetoscope.providers.contract import Job

HISTORY_BYTES_MAX = 16 * MEBIBYTE
NODES_BYTES_MAX = 64 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where it is. Every method raises CallFailed, and Malformed for what is no answer."""

    site: Callable[[], Site]
    """As it is set up now: keys change."""
    caller: Caller

    def url(self, path: str) -> str:
        """Address a route."""
        return f"{self.site().base_url}/{path}"

    def headers(self) -> Mapping[str, str]:
        """A ComfyUI has no keys of its own; one may stand in front of it."""
        site = self.site()
        return bearer(site) if site.key else {}

    async def call(self, call: Call) -> Answer:
        """Send a request to one of its routes."""
        placed = replace(call, url=self.url(call.url), headers=self.headers())
        return await self.caller.call(placed)

    async def upload(self, job: Job) -> dict[str, str]:
        """Upload every reference; return what each is called there."""
        uploaded = {}
        for field, fetched in zip(fields_of(job), job.references, strict=True):
            part = FilePart(
                name="image",
                filename=f"{field}.{fetched.media_type.partition('/')[2]}",
                media_type=fetched.media_type,
                source=fetched.path,
            )
            folder = f"kinetoscope/{job.task_id}"
            fields = (("type", "input"), ("subfolder", folder), ("overwrite", "true"))
            call = Call(
                method="POST", url="upload/image", fields=fields, files=(part,), timeout_s=120
            )
            answer = await self.call(call)
            if not answer.is_fine:
                raise Malformed(f"status {answer.status} for an upload")
            table = answer.table()
            subfolder, name = text_at(table, "subfolder"), text_at(table, "name")
            uploaded[fetched.name] = f"{subfolder}/{name}" if subfolder else name
        return uploaded

    async def missing_nodes(self, wanted: Iterable[str]) -> list[str]:
        """Return the kinds of nodes that it does not have."""
        answer = await self.call(
            Call(method="GET", url="object_info", bytes_max=NODES_BYTES_MAX, timeout_s=60)
        )
        known = answer.table() if answer.is_fine else {}
        return sorted(set(wanted) - set(known))

    async def history(self, prompt_id: str) -> JSON:
        """Return what is known of a job that is over; None while it is not, or never was."""
        answer = await self.call(
            Call(method="GET", url=f"history/{segment(prompt_id)}", bytes_max=HISTORY_BYTES_MAX)
        )
        if not answer.is_fine:
            raise Malformed(f"status {answer.status}")
        return answer.table().get(prompt_id)

    async def queued(self, prompt_id: str) -> str | None:
        """Return whether a job is running or pending, if either."""
        answer = await self.call(Call(method="GET", url="queue", bytes_max=HISTORY_BYTES_MAX))
        if not answer.is_fine:
            raise Malformed(f"status {answer.status}")
        table = answer.table()
        for name, word in (("queue_running", "running"), ("queue_pending", "pending")):
            for item in items_at(table, name):
                if isinstance(item, list) and len(item) > 1 and item[1] == prompt_id:
                    return word
        return None

    def messages_url(self, client_id: str) -> str:
        """Where it tells a client what it is doing."""
        parts = urlsplit(self.url("ws"))
        scheme = "wss" if parts.scheme == "https" else "ws"
        return urlunsplit(
            (scheme, parts.netloc, parts.path, urlencode({"clientId": client_id}), "")
        )

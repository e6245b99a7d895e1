"""A small ComfyUI made from its protocol: queue, history, uploads, files and the websocket.

Jobs wait until a test runs them. It neither merges nor refuses ids it has seen, as the real one.
"""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.providers.upstream import Fault, media_of

from kinetoscope.kernel.order import JSON, MediaKind

GRAPH: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 0, "steps": 4, "positive": ["6", 0]}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["8", 0]}},
    "12": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
}
BIND: dict[str, JSON] = {
    "prompt": "6.text",
    "seed": "3.seed",
    "width": "5.width",
    "height": "5.height",
    "filename_prefix": "9.filename_prefix",
    "image1": "12.image",
}


@dataclass
class Prompt:
    id: str
    graph: dict[str, Any]
    client_id: str


@dataclass
class FakeComfy:
    """Its memory, and what a test may do to it."""

    port: int = 0
    kind: MediaKind = MediaKind.IMAGE
    pending: list[Prompt] = field(default_factory=list)
    running: Prompt | None = None
    history: dict[str, Any] = field(default_factory=dict)
    sockets: dict[str, web.WebSocketResponse] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    queued: list[Prompt] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    interrupted: list[str] = field(default_factory=list)
    version: str = "0.36.0"
    is_old: bool = False
    """Whether it calls jobs what it likes, and interrupts whatever runs."""
    begins_at_once: bool = False
    views: int = 0
    showing: asyncio.Event | None = None
    """Files are not shown before it is set."""
    authorization: str | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.authorization = request.headers.get("Authorization")
        fault = self.faults.pop(request.path, None)
        handler = getattr(self, f"{request.method.lower()}_{request.path.split('/')[1]}")
        if fault is None:
            response: web.StreamResponse = await handler(request)
            return response
        if fault.handled:
            await handler(request)
        if fault.drop and request.transport is not None:
            request.transport.abort()
            return web.Response()
        return web.json_response(fault.body, status=fault.status)

    async def post_prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        for node_id, node in body["prompt"].items():
            if node["inputs"].get("text") == "too long":
                error = {"type": "value_bigger_than_max", "details": "text, 77 tokens"}
                return self.invalid(node_id, node, error)
            if node["class_type"] == "CheckpointLoader":
                error = {"type": "value_not_in_list", "details": "ckpt_name: 'x' not in []"}
                return self.invalid(node_id, node, error)
        prompt_id = f"its-own-{len(self.queued)}" if self.is_old else body["prompt_id"]
        prompt = Prompt(prompt_id, body["prompt"], body["client_id"])
        self.pending.append(prompt)
        self.queued.append(prompt)
        if self.begins_at_once:
            self.begin()
        return web.json_response({"prompt_id": prompt.id, "number": 1, "node_errors": {}})

    def invalid(self, node_id: str, node: dict[str, Any], error: dict[str, str]) -> web.Response:
        return web.json_response(
            {
                "error": {
                    "type": "prompt_outputs_failed_validation",
                    "message": "Prompt outputs failed validation",
                },
                "node_errors": {node_id: {"class_type": node["class_type"], "errors": [error]}},
            },
            status=400,
        )

    async def get_history(self, request: web.Request) -> web.Response:
        prompt_id = request.path.split("/")[2]
        known = self.history.get(prompt_id)
        return web.json_response({} if known is None else {prompt_id: known})

    async def get_queue(self, _request: web.Request) -> web.Response:
        running = [self.running] if self.running else []
        return web.json_response(
            {
                "queue_running": [[0, prompt.id, prompt.graph, {}, []] for prompt in running],
                "queue_pending": [[1, prompt.id, prompt.graph, {}, []] for prompt in self.pending],
            }
        )

    async def post_queue(self, request: web.Request) -> web.Response:
        gone = (await request.json())["delete"]
        self.pending = [prompt for prompt in self.pending if prompt.id not in gone]
        return web.Response()

    async def post_interrupt(self, request: web.Request) -> web.Response:
        prompt_id = (await request.json())["prompt_id"]
        self.interrupted.append(prompt_id)
        if self.running and (self.is_old or self.running.id == prompt_id):
            self.end("error", ["execution_interrupted", {"prompt_id": prompt_id}])
        return web.Response()

    async def post_upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image = form["image"]
        assert isinstance(image, web.FileField)
        subfolder, name = str(form["subfolder"]), image.filename
        self.uploads[f"{subfolder}/{name}"] = image.file.read()
        return web.json_response({"name": name, "subfolder": subfolder, "type": "input"})

    async def get_view(self, request: web.Request) -> web.Response:
        media_type, content = media_of(self.kind)
        assert request.query["filename"]
        self.views += 1
        if self.showing is not None:
            await self.showing.wait()
        if self.kind is MediaKind.IMAGE:
            content = with_text(content, b"prompt\0the whole workflow")
        return web.Response(body=content, content_type=media_type)

    async def get_system_stats(self, _request: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": self.version}, "devices": []})

    async def get_object_info(self, _request: web.Request) -> web.Response:
        return web.json_response({node["class_type"]: {} for node in GRAPH.values()})

    async def get_ws(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.query["clientId"]] = socket
        await socket.send_json({"type": "status", "data": {}})
        async for _ in socket:
            pass
        return socket

    def begin(self) -> Prompt:
        """Take the first of the queue."""
        self.running = self.pending.pop(0)
        return self.running

    async def tell_progress(self, value: int, most: int) -> None:
        """Tell the client at work how far it is, once it listens."""
        assert self.running is not None
        for _ in range(500):
            if self.running.client_id in self.sockets:
                break
            await asyncio.sleep(0.01)
        data = {"value": value, "max": most, "node": "3"}
        await self.sockets[self.running.client_id].send_json({"type": "progress", "data": data})

    def end(self, word: str = "success", message: object = None) -> None:
        """End what runs."""
        assert self.running is not None
        video = self.kind is MediaKind.VIDEO
        file = {
            "filename": f"{self.running.id}.{'mp4' if video else 'png'}",
            "subfolder": "kinetoscope",
            "type": "output",
        }
        preview = {"filename": "preview.png", "subfolder": "", "type": "temp"}
        outputs = {"8": {"images": [preview]}, "9": {"images": [file], "animated": [video]}}
        self.history[self.running.id] = {
            "outputs": outputs if word == "success" else {},
            "status": {
                "status_str": word,
                "completed": word == "success",
                "messages": [["execution_start", {}], *([message] if message else [])],
            },
        }
        self.running = None

    def restart(self) -> None:
        """Forget everything, as it does."""
        self.pending, self.running, self.history = [], None, {}


def with_text(png: bytes, text: bytes) -> bytes:
    """Put a text into a PNG, in front of its end."""
    chunk = b"tEXt" + text
    made = struct.pack(">I", len(text)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:-12] + made + png[-12:]


@asynccontextmanager
async def comfy() -> AsyncIterator[FakeComfy]:
    """Run one."""
    fake = FakeComfy()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.port = runner.addresses[0][1]
    try:
        yield fake
    finally:
        await runner.cleanup()

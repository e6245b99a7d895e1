"""Answers that anybody may keep: pages and documents that change only with a new version."""

import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.media import is_known

MAX_AGE_S = 300


def cached(
    request: Request, content: bytes, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with content, or with 304 where the client has it already (RFC 9110 §13.1.2)."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    told = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={MAX_AGE_S}",
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=told)
    return Response(content, headers={**told, "Content-Type": media_type})

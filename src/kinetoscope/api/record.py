"""A task in the contract's shape: recordInfo's answer, and what webhooks carry."""

from typing import Any

from kinetoscope.api.envelope import credits_json
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.task import Failure, Status, StoredOutput


def record_json(record: Record, signer: Signer) -> dict[str, Any]:
    """Return a task in the contract's shape, and `progress`, `preview`, expiries besides.

    Media that has expired keeps its addresses, which say so (403), and is marked `expired`: clients
    read `url` as a text, and nobody's should break on an old task.
    """
    expires_at, metadata_expires_at = record.media_expires_at, record.metadata_expires_at
    output = None
    if record.status is Status.SUCCESS:
        until = record.addresses_expire_at
        output = [
            output_json(
                stored,
                signer.url(stored.name, until),
                stored.last_frame_name and signer.url(stored.last_frame_name, until),
            )
            | ({"expired": True} if record.is_expired else {})
            for stored in record.output
        ]
    failure = record.failure
    completed_at = record.completed_at
    return {
        "taskId": record.id,
        "model": record.model,
        "status": record.status,
        "creditsUsed": credits_json(record.price),
        "output": output,
        "error": None if failure is None else error_json(failure),
        "createTime": unix_ms(record.created_at),
        "completeTime": None if completed_at is None else unix_ms(completed_at),
        "progress": record.progress_percent,
        "preview": record.preview,
        "aiGenerated": record.ai_generated,
        "expiresAt": None if expires_at is None else unix_ms(expires_at),
        "metadataExpiresAt": None if metadata_expires_at is None else unix_ms(metadata_expires_at),
    }


def error_json(failure: Failure) -> dict[str, str]:
    """Return why a task failed, and what more there is to say."""
    error = {"code": failure.code, "message": failure.message}
    return error | {"detail": failure.detail} if failure.detail else error


def output_json(stored: StoredOutput, url: str, last_frame_url: str | None) -> dict[str, Any]:
    """Return one finished file in the contract's shape."""
    item: dict[str, Any] = {"url": url, "mediaType": stored.media_type, "seed": stored.seed}
    if stored.width:
        item |= {"width": stored.width, "height": stored.height}
    if stored.duration_ms:
        item["duration"] = stored.duration_ms / 1000
    if last_frame_url is not None:
        item["lastFrameImage"] = last_frame_url
    if stored.signed is not None:
        item["contentCredentials"] = stored.signed
    return item

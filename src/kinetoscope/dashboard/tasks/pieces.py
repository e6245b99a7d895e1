"""Finished files as pages show them: where they are on this server, and what to do with them."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from kinetoscope.kernel.order import MediaKind
from kinetoscope.media.signing import Signer, kept_until
from kinetoscope.tasks.task import StoredOutput

INPUT_NAMES = {
    MediaKind.IMAGE: "imageUrls",
    MediaKind.VIDEO: "videoUrls",
    MediaKind.AUDIO: "audioUrls",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One finished file. `url` is for others, `here` for this page; empty where it has expired.

    `still` is the clip's last frame, where it has one of its own.
    """

    kind: MediaKind
    url: str
    here: str
    still_url: str
    still: str
    width: int
    height: int
    duration_ms: int
    bytes_size: int
    seed: int
    media_type: str
    has_audio: bool
    signed: bool | None

    @property
    def use(self) -> str:
        """Where the studio begins with this file as an input."""
        return f"/studio?{INPUT_NAMES[self.kind]}={quote(self.url, safe='')}"

    @property
    def use_still(self) -> str:
        """Where the studio begins with the clip's last frame."""
        return f"/studio?imageUrls={quote(self.still_url, safe='')}"

    @property
    def format(self) -> str:
        """Return the short name of its type: `MP4`."""
        return self.media_type.partition("/")[2].upper().removeprefix("X-").replace("MPEG", "MP3")


def pieces_of(
    signer: Signer, outputs: tuple[StoredOutput, ...], expires_at: datetime | None, now: datetime
) -> tuple[Piece, ...]:
    """Return what a task made; without addresses where its media has expired."""
    until = kept_until(now) if expires_at is None else expires_at
    is_there = until > now

    def address(name: str | None) -> str:
        return signer.url(name, until) if name and is_there else ""

    return tuple(
        Piece(
            kind=MediaKind(output.media_type.partition("/")[0]),
            url=address(output.name),
            here=on_this_server(signer, address(output.name)),
            still_url=address(output.last_frame_name),
            still=on_this_server(signer, address(output.last_frame_name)),
            width=output.width,
            height=output.height,
            duration_ms=output.duration_ms,
            bytes_size=output.bytes_size,
            seed=output.seed,
            media_type=output.media_type,
            has_audio=output.has_audio,
            signed=output.signed,
        )
        for output in outputs
    )


def on_this_server(signer: Signer, url: str) -> str:
    """Return an address of ours as pages load it, wherever they were reached."""
    return url.removeprefix(signer.base_url)

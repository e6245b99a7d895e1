"""Where a file comes from, said in the file: plainly in every one, and signed where there is a key.

Saying it never costs anybody a file: what cannot be labelled or signed is kept as it is, and
logged. Nothing of the order or of its owner is said, only what made the file.
"""

import asyncio
import base64
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import structlog

from kinetoscope import __version__
from kinetoscope.kernel.order import JSON
from kinetoscope.media.credentials import Credentials, SigningFailed
from kinetoscope.media.label import Label, Pieces, Sealed, Unlabelled, write_pieces
from kinetoscope.media.label_box import label_boxes
from kinetoscope.media.label_gif import label_gif
from kinetoscope.media.label_jpeg import label_jpeg
from kinetoscope.media.label_png import label_png
from kinetoscope.media.label_riff import label_wav, label_webp
from kinetoscope.media.label_sound import label_flac, label_id3

log = structlog.get_logger(__name__)

SOFTWARE = "Kinetoscope"

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""https://cv.iptc.org/newscodes/digitalsourcetype/"""

WRITERS: dict[str, Callable[[BinaryIO, Label], Pieces]] = {
    "image/png": label_png,
    "image/jpeg": label_jpeg,
    "image/webp": label_webp,
    "image/gif": label_gif,
    "video/mp4": label_boxes,
    "video/quicktime": label_boxes,
    "audio/mp4": label_boxes,
    "audio/wav": label_wav,
    "audio/mpeg": label_id3,
    "audio/aac": label_id3,
    "audio/flac": label_flac,
}
"""Who can write into what. WebM and Ogg have no place that can be added without rewriting all."""

XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmp:CreatorTool={tool}
 Iptc4xmpExt:DigitalSourceType={source_type}{system}>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{comment}</rdf:li></rdf:Alt></dc:description>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


TRIAL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""


class Statement(NamedTuple):
    """What is said of a file's making. `preview` marks what only stands in for the model."""

    model: str
    ai_generated: bool
    preview: bool

    @property
    def source_type(self) -> str:
        """IPTC's word for how it was made."""
        return digital_source_type(ai_generated=self.ai_generated)

    @property
    def comment(self) -> str:
        """The whole statement as a sentence."""
        if self.preview:
            made = f"Procedural preview by {SOFTWARE} in place of the model {self.model}"
        else:
            made = f"Made by {SOFTWARE} with the model {self.model}"
        return f"{made}; {'AI-generated' if self.ai_generated else 'not AI output'}; " + (
            self.source_type
        )

    def label(self) -> Label:
        """Return the forms that formats have places for."""
        system = ""
        if self.ai_generated:
            system = f"\n Iptc4xmpExt:AISystemUsed={quoteattr(self.model)}"
        packet = XMP.format(
            tool=quoteattr(f"{SOFTWARE} {__version__}"),
            source_type=quoteattr(self.source_type),
            system=system,
            comment=escape(self.comment),
        )
        return Label(software=SOFTWARE, comment=self.comment, xmp=packet.encode())

    def manifest(self) -> dict[str, JSON]:
        """Return what is signed: who claims it, and how the file came to be.

        https://spec.c2pa.org/specifications/specifications/2.2/specs/C2PA_Specification.html#_actions
        """
        created: dict[str, JSON] = {
            "action": "c2pa.created",
            "digitalSourceType": self.source_type,
            "description": self.comment,
            "parameters": {"kinetoscope.model": self.model, "kinetoscope.preview": self.preview},
        }
        return {
            "claim_generator_info": [{"name": SOFTWARE, "version": __version__}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
        }


class Marked(NamedTuple):
    """A file that says where it comes from, as far as it could be made to.

    `signed` is None where nothing signs, False where signing failed.
    """

    path: Path
    signed: bool | None


def digital_source_type(*, ai_generated: bool) -> str:
    """Return IPTC's word for what a trained model made, or for what a plain program made."""
    return SOURCE_TYPES + ("trainedAlgorithmicMedia" if ai_generated else "algorithmicMedia")


async def mark(
    path: Path, media_type: str, statement: Statement, credentials: Credentials | None
) -> Marked:
    """Return a file like this one that says where it comes from; this one stays as it is.

    Never raises for what is in the file or for what signing does.
    """
    labelled = path.with_name(f"{path.name}.labelled")
    try:
        await asyncio.to_thread(_label, path, media_type, statement.label(), labelled)
        path = labelled
    except (Unlabelled, OSError) as error:
        # A manifest of its maker's says more than our label would.
        level = log.debug if isinstance(error, Sealed) else log.warning
        level("provenance.unlabelled", media_type=media_type, reason=str(error))
    if credentials is None:
        return Marked(path, signed=None)
    signed = path.with_name(f"{path.name}.signed")
    try:
        await credentials.sign(path, media_type, statement.manifest(), signed)
    except (SigningFailed, OSError) as error:
        log.error("provenance.unsigned", media_type=media_type, reason=str(error))  # noqa: TRY400
        return Marked(path, signed=False)
    return Marked(signed, signed=True)


async def check(credentials: Credentials) -> None:
    """Sign a picture of one pixel and have it verified. Raises SigningFailed."""
    statement = Statement(model="trial", ai_generated=False, preview=True)
    with tempfile.TemporaryDirectory(prefix="kinetoscope-") as folder:
        path = Path(folder) / "trial.png"
        path.write_bytes(TRIAL)
        await credentials.sign(
            path, "image/png", statement.manifest(), path.with_name("signed.png")
        )


def _label(path: Path, media_type: str, label: Label, target: Path) -> None:
    writer = WRITERS.get(media_type)
    if writer is None:
        raise Unlabelled("is in a format without room for a label")
    with path.open("rb") as file:
        write_pieces(file, writer(file, label), target)

"""The gallery: everything an account has made, to look at and listen to."""

from dataclasses import dataclass

from starlette.responses import Response

from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.tasks.filters import place_of, read_filters
from kinetoscope.dashboard.tasks.pieces import Piece, pieces_of
from kinetoscope.dashboard.visit import Visit
from kinetoscope.tasks import browse
from kinetoscope.tasks.browse import Line

PAGE_TASKS = 24

KINDS = {"": "Everything", "video": "Video", "image": "Images", "audio": "Audio"}


def mount(pages: Pages) -> None:
    """Add /gallery."""
    pages.add("GET", "/gallery", "person", show)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One finished file, and the task that made it."""

    line: Line
    title: str
    piece: Piece
    is_expired: bool
    number: int
    of: int


async def show(visit: Visit) -> Response:
    """Show finished media, newest first; for "Load more" only what comes next."""
    runtime, account_id = visit.runtime, visit.me.account_id
    query = visit.request.query_params
    filters, place = read_filters(query), place_of(query)
    lines, behind = await browse.page(
        runtime.database,
        account_id,
        filters.sought(has_media=True),
        place,
        PAGE_TASKS,
        visit.now,
    )
    has_any = bool(lines) or await browse.has_any(
        runtime.database, account_id, visit.now, with_media=True
    )
    return visit.render(
        "gallery/more.html" if visit.is_partial else "gallery/gallery.html",
        tiles=[tile for line in lines for tile in tiles_of(visit, line)],
        more=filters.query(behind) if behind else "",
        filters=filters,
        has_any=has_any,
        kinds=KINDS,
        models=runtime.catalog.models,
    )


def tiles_of(visit: Visit, line: Line) -> list[Tile]:
    """Return what a task made, each file by itself."""
    model = visit.runtime.catalog.models_by_id.get(line.model)
    pieces = pieces_of(visit.runtime.signer, line.outputs, line.media_expires_at, visit.now)
    return [
        Tile(
            line=line,
            title=line.model if model is None else model.title,
            piece=piece,
            is_expired=line.is_expired(visit.now),
            number=number,
            of=len(pieces),
        )
        for number, piece in enumerate(pieces, 1)
    ]

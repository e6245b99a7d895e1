"""Finds the pictures a clip begins and ends with."""

import numpy as np
from PIL import Image

from kinetoscope.kernel.order import MediaKind, Role
from kinetoscope.providers.embedded.living import Ends
from kinetoscope.providers.embedded.pictures import fitted, last_frame_of, opened, picked
from kinetoscope.providers.embedded.stills import picture_of
from kinetoscope.providers.embedded.work import Work

_EXTENDING = frozenset({"extend", "extends", "extended", "continue", "continues", "continuation"})


def ends_of(work: Work) -> Ends | None:
    """None where the clip is free.

    A clip with a last picture only begins with our own scene; a
    source clip is continued from its last frame where the prompt says so.
    """
    first = picked(work, Role.FIRST_FRAME, MediaKind.IMAGE)
    last = picked(work, Role.LAST_FRAME, MediaKind.IMAGE)
    source = picked(work, Role.SOURCE, MediaKind.VIDEO)
    end = fitted(opened(last[0]), work.size) if last else None
    if first:
        return Ends(first=fitted(opened(first[0]), work.size), last=end)
    if source and _EXTENDING & set(work.prompt.lower().split()):
        return Ends(first=last_frame_of(source[0], work.size), last=end)
    if end is not None:
        return Ends(first=Image.fromarray(_own_start(work)), last=end)
    return None


def _own_start(work: Work) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    free = Work(
        kind=MediaKind.IMAGE,
        prompt=work.prompt,
        seed=work.seed,
        size=work.size,
        duration_s=0,
        count=1,
        audio=False,
        file_format="png",
        last_frame=False,
        transparent=False,
        pictures=(),
    )
    return picture_of(free, work.seed)

"""What rendering costs, against encoding the same frames alone."""

import resource
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import av

from bench.tables import Table
from kinetoscope.kernel.order import MediaKind, Size
from kinetoscope.providers.embedded.clip import frames_of
from kinetoscope.providers.embedded.render import render
from kinetoscope.providers.embedded.work import FRAMES_PER_S, Work

ROUNDS = 3
GOAL = 2.0
FRAMES_HELD_MAX = 120

SUNSET = Work(
    kind=MediaKind.VIDEO,
    prompt="A beautiful sunset over the ocean",
    seed=7,
    size=Size(width=1280, height=720),
    duration_s=5,
    count=1,
    audio=True,
    file_format="mp4",
    last_frame=True,
    transparent=False,
    pictures=(),
)

WORKS = {
    "sunset over the ocean, 1280x720": SUNSET,
    "neon city in the rain, 1280x720": replace(SUNSET, prompt="A neon city at night in the rain"),
    "misty forest, 1280x720": replace(SUNSET, prompt="A misty forest at dawn"),
    "words nobody drew for, 1280x720": replace(SUNSET, prompt="quarterly synergy"),
    "sunset, 864x496": replace(SUNSET, size=Size(width=864, height=496)),
    "sunset, 1920x1080": replace(SUNSET, size=Size(width=1920, height=1080)),
}


def measure(folder: Path) -> list[Table]:
    """Render 5 s of several prompts and sizes; compare CPU seconds, not the clock."""
    rows: list[tuple[str, ...]] = []
    for name, work in WORKS.items():
        render(replace(work, duration_s=1), folder, lambda _share: None)
        ours, floors, walls_s = [], [], []
        for _ in range(ROUNDS):
            started_s = time.perf_counter()
            ours.append(cpu_s(partial(render, work, folder, lambda _share: None)))
            walls_s.append(time.perf_counter() - started_s)
            floors.append(encoding_alone_s(work, folder / "floor.mp4"))
        ratio = median(mine / floor for mine, floor in zip(ours, floors, strict=True))
        goal = f"≤ {GOAL}" if work.size == SUNSET.size else ""
        rows.append(
            (
                name,
                f"{median(floors):.2f}",
                f"{median(ours):.2f}",
                f"{ratio:.2f}",
                goal,
                f"{median(walls_s):.2f}",
            )
        )
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    columns = ("5 s of", "encoding alone CPU s", "ours CPU s", "ratio", "goal", "ours wall s")
    heading = f"Rendering with sound, against x264 veryfast alone (peak {peak_mib:.0f} MiB)"
    return [Table(heading, columns, rows)]


def cpu_s(work: Callable[[], object]) -> float:
    started_s = time.process_time()
    work()
    return time.process_time() - started_s


def encoding_alone_s(work: Work, path: Path) -> float:
    """Encode the same frames, already made, with nothing else in the loop."""
    frames = [frame for frame, _ in zip(frames_of(work), range(FRAMES_HELD_MAX), strict=False)]

    def encode() -> None:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=FRAMES_PER_S)
            stream.width, stream.height = work.size.width, work.size.height
            stream.pix_fmt = "yuv420p"
            stream.options = {"preset": "veryfast", "crf": "22"}  # the quality ours has
            for number, frame in enumerate(frames):
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    return cpu_s(encode)

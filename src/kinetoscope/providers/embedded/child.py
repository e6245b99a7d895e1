"""The process that renders: one JSON line in for each work, JSON lines out about it.

It lives as long as its standard input is open, so it goes when its worker goes, however that
happens. Run as `python -m kinetoscope.providers.embedded.child`.
"""

import json
import os
import queue
import sys
import threading

from kinetoscope.providers.embedded.lines import decode_work, encode_rendered
from kinetoscope.providers.embedded.render import render

NICENESS = 5
"""Rendering yields to the API on a busy machine."""


def _say(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _listen(works: "queue.Queue[bytes]") -> None:
    for line in sys.stdin.buffer:
        works.put(line)
    os._exit(0)  # nobody is left to render for; stop in the middle of a frame if need be


def _serve(works: "queue.Queue[bytes]") -> None:
    while True:
        work, folder = decode_work(works.get())
        try:
            files = render(work, folder, lambda share: _say(progress=share))
        except ValueError as error:
            _say(refused=str(error))
        except Exception as error:  # noqa: BLE001 - reported to the worker, which decides
            _say(broken=f"{type(error).__name__}: {error}")
        else:
            _say(done=[encode_rendered(file) for file in files])


def main() -> None:
    """Render whatever comes in until nothing can come any more."""
    os.nice(NICENESS)
    works: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(works,), daemon=True).start()
    _say(ready=True)
    _serve(works)


if __name__ == "__main__":
    main()

"""The process of one device: a JSON line in for each job, JSON lines out about it.

It lives as long as its worker. Run as `python -m kinetoscope.providers.diffusers.child DEVICE
KEEP PARENT`.
"""

import json
import os
import queue
import signal
import sys
import threading
import traceback
from dataclasses import asdict
from typing import Any, TextIO

from kinetoscope.kernel.lifeline import end_with_parent
from kinetoscope.providers.diffusers.loading import Loader, PipelineRefused
from kinetoscope.providers.diffusers.look import device_says
from kinetoscope.providers.diffusers.making import Making, decode_making, encode_made
from kinetoscope.providers.diffusers.running import Stopped, Withheld, run

NICENESS = 5
TRACE_CHARACTERS_MAX = 8000
MESSAGE_CHARACTERS_MAX = 1000

COMPLAINTS = (PipelineRefused, ValueError, TypeError, NotImplementedError)
"""The pipeline says that it cannot make this; anything else may have upset the device."""


class Child:
    """What the process holds: its pipelines, jobs to come, and those to be stopped."""

    def __init__(self, out: TextIO, device: str, keep: int) -> None:
        self.out = out
        self.loader = Loader(device=device, keep=keep)
        self.jobs: queue.Queue[Making] = queue.Queue()
        self.stopping: set[str] = set()

    def say(self, **event: object) -> None:
        """Tell the worker."""
        self.out.write(json.dumps(event) + "\n")
        self.out.flush()

    def listen(self) -> None:
        """Hear what the worker says, until it is gone."""
        for line in sys.stdin.buffer:
            heard = json.loads(line)
            if "make" in heard:
                making = decode_making(heard["make"])
                # Said of an earlier job under this id, which was done before it was heard.
                self.stopping.discard(making.task_id)
                self.jobs.put(making)
            else:
                self.stopping.add(heard["stop"])
        os._exit(0)  # nobody is left to work for; stop in the middle of a step if need be

    def serve(self) -> None:
        """Make one thing after the other."""
        while True:
            making = self.jobs.get()
            self.say(**self.outcome(making))

    def outcome(self, making: Making) -> dict[str, Any]:
        """Make one thing, and return how that went."""
        try:
            self.say(loading=True)
            pipeline = self.loader.load(making)
            self.say(loaded=[asdict(loading) for loading in self.loader.kept])
            files, took = run(
                pipeline,
                making,
                lambda share: self.say(progress=share),
                lambda: making.task_id in self.stopping,
            )
        except Stopped:
            return {"stopped": True}
        except Withheld:
            return {"moderated": True}
        except COMPLAINTS as error:
            return {"refused": _text(error), "trace": _trace()}
        except Exception as error:  # noqa: BLE001 - reported to the worker, which decides
            return {"broken": _text(error), "trace": _trace()}
        return {"done": [encode_made(made) for made in files], "took": took}


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS_MAX]


def _trace() -> str:
    return traceback.format_exc()[-TRACE_CHARACTERS_MAX:]


def main() -> None:
    """Take the device, then work until nothing can come any more."""
    device, keep, parent = sys.argv[1:]
    end_with_parent(int(parent), signal.SIGKILL)
    os.nice(NICENESS)
    # Libraries print; what the worker reads must come from us alone.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    child = Child(out, device, int(keep))
    try:
        says = device_says(device)
    except Exception as error:  # noqa: BLE001 - whatever it is, the device cannot be used
        child.say(unusable=_text(error))
        return
    threading.Thread(target=child.listen, daemon=True).start()
    child.say(ready=says)
    child.serve()


if __name__ == "__main__":
    main()

"""`./dev bench`: measure everything that is called fast, and print the tables."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import gate, http_rates, rendering, starting, waiting
from bench.tables import Table

SECTIONS: dict[str, Callable[[Path], list[Table]]] = {
    "http": http_rates.measure,
    "start": starting.measure,
    "render": rendering.measure,
    "gate": gate.measure,
    "waiting": waiting.measure,
    "defects": gate.measure_defects,
}


def main() -> None:
    """Run the sections that were named, or all."""
    chosen = sys.argv[1:] or list(SECTIONS)
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        sys.exit(f"bench: no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    faults: list[str] = []
    for name in chosen:
        folder = Path(tempfile.mkdtemp(prefix="kinetoscope-bench-"))
        folder.chmod(0o755)  # the embedded database may run as another user
        try:
            for table in SECTIONS[name](folder):
                print(table.markdown(), flush=True)
                faults += table.faults
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if faults:
        sys.exit("\n".join(("bench: what must not be was seen", *faults[:20])))


if __name__ == "__main__":
    main()

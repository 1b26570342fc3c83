"""Our own rules for what is committed. Standard library only.

No file names a registry's address or a place on somebody's machine: the repository has to
work wherever it lies and whichever index is used. And the locks belong to the pyproject files.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

# Split, so that this file does not find itself.
FORBIDDEN = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            r"python" + r"hosted\.org",
            r"npmjs\." + "(?:org|com)",
            r"deb\.debian\." + "org",
            r"proxy\.golang\." + "org",
            r"\.\./" + "shared",
            r"(?<![\w.~-])/(?:" + r"work|root|Users)/",
            r"registry\.yarnpkg\." + "com",
            "file:" + "///",
        )
    )
)


def committed_files(root: Path) -> list[Path]:
    """What git has or would take: nothing that is ignored."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True, cwd=root).stdout
    return [root / name for name in listed.split("\0") if name and (root / name).is_file()]


def addresses(root: Path) -> Iterator[str]:
    """Lines of committed files that name a registry or a place on somebody's machine."""
    for path in committed_files(root):
        text = path.read_bytes().decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            if hit := FORBIDDEN.search(line):
                where = f"{path.relative_to(root)}:{number}"
                yield f"{where}: {hit[0]!r} has no place in the repository; next: say it without"


def lock_header(projects: list[Path]) -> str:
    """The first line of a lock made from these pyproject files, as they are now."""
    keys = ("name", "requires-python", "dependencies", "optional-dependencies")
    inputs = hashlib.sha256()
    for path in projects:
        content = tomllib.loads(path.read_text("utf-8"))
        project = content.get("project", {})
        wanted = [project.get(key) for key in keys] + [content.get("dependency-groups")]
        inputs.update(repr(wanted).encode())
    return f"# Made by 'python3 dev.py lock' from {inputs.hexdigest()[:16]}"


def stale(locks: list[Path], projects: list[Path]) -> Iterator[str]:
    """Locks that were not made from the pyproject files as they are now."""
    header = lock_header(projects)
    for lock in locks:
        if not lock.exists() or lock.read_text("utf-8").partition("\n")[0] != header:
            yield f"requirements/{lock.name} is stale; next: python3 dev.py lock"

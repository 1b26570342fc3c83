"""Finds the system's Chromium, and the arguments with which it starts quietly, as root too."""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_GET = "install Chromium (Debian: apt-get install chromium), or set CHROMIUM to its path"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """The browser's path: CHROMIUM, or the first known name on PATH; None if there is none."""
    wanted = os.environ.get("CHROMIUM")
    return shutil.which(wanted) if wanted else next(filter(None, map(shutil.which, NAMES)), None)


def installable() -> bool:
    """May we install packages of the system here? As root on Debian, yes."""
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install() -> bool:
    """Chromium from Debian; whether it is there now."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.call(["apt-get", "update", "-qq"], env=quiet)
    options = ["-qq", "-y", "--no-install-recommends"]
    subprocess.call(["apt-get", "install", *options, "chromium"], env=quiet)
    return find() is not None

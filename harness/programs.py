"""Programs of the system that tests drive: where they are, and how Debian brings them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
"""Where servers are: not on everybody's PATH."""


@dataclass(frozen=True)
class Program:
    """A program that comes with the system, under one of these names; `package` is Debian's."""

    names: tuple[str, ...]
    package: str
    variable: str | None = None
    """An environment variable that may name its path instead."""

    @property
    def how_to_get(self) -> str:
        """What to do where it is missing."""
        said = f"install {self.names[0]} (Debian: apt-get install {self.package})"
        return f"{said}, or set {self.variable} to its path" if self.variable else said

    def find(self) -> str | None:
        """Its path; None where it is not there."""
        wanted = os.environ.get(self.variable) if self.variable else None
        if wanted:
            return shutil.which(wanted)
        places = (shutil.which(name) or shutil.which(name, path=_SBIN) for name in self.names)
        return next(filter(None, places), None)

    def install(self) -> bool:
        """From Debian; whether it is there now. No server is started by that."""
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.call(["apt-get", "update", "-qq"], env=quiet)
        options = ["-qq", "-y", "--no-install-recommends"]
        subprocess.call(["apt-get", "install", *options, self.package], env=quiet)
        return self.find() is not None


CHROMIUM = Program(
    ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "chromium",
    "CHROMIUM",
)
NGINX = Program(("nginx",), "nginx-light")
SYSTEMD_ANALYZE = Program(("systemd-analyze",), "systemd")
PROGRAMS = (CHROMIUM, NGINX, SYSTEMD_ANALYZE)


def installable() -> bool:
    """May we install packages of the system here? As root on Debian, yes."""
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get") is not None

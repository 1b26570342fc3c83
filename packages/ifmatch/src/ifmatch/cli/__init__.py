"""The command `ifmatch`: `explain` tells why a request gets its answer, `tag` makes entity tags.

It needs click, which the extra `cli` brings; nothing else of the library does.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; without click say how to get it, and exit with status 2."""
    try:
        import click  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit(_say("The command ifmatch needs click. Next: pip install 'ifmatch[cli]'"))
    from ifmatch.cli.commands import group

    group(prog_name="ifmatch")


def _say(line: str) -> int:
    sys.stderr.write(f"{line}\n")
    return 2

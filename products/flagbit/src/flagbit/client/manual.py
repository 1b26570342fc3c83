"""The commands' own words, for the reference page: `python -m flagbit.client.manual PAGE`.

Everything on the page up to the marker is written by hand; what follows is made anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from flagbit.cli import main

MARKER = "<!-- from here on: python -m flagbit.client.manual docs/reference/flagbit-cli.md -->"
GROUPS = ("flags", "environments")
WIDTH = 80


def commands() -> Iterator[tuple[str, str]]:
    """Each client command with its help."""
    context = _context(main, "flagbit", None)
    for name in GROUPS:
        group = main.commands[name]
        assert isinstance(group, click.Group)  # noqa: S101 (for the type)
        inner = _context(group, name, context)
        for command in group.commands.values():
            words = _context(command, str(command.name), inner)
            yield words.command_path, command.get_help(words)


def page(text: str) -> str:
    """The page with the words of the present commands."""
    by_hand, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError(f"The page has no marker. Put this line into it: {MARKER}")
    parts = [f"## {name}\n\n```text\n{words}\n```\n" for name, words in commands()]
    return "\n".join([by_hand + MARKER + "\n", *parts])


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command, parent, name, terminal_width=WIDTH, help_option_names=["-h", "--help"]
    )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(page(target.read_text("utf-8")), "utf-8")

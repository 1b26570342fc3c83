"""The commands that handle all data at once: backup and restore, export and import, prune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from chassis.cli import HERE, Command, failing_clearly, options
from chassis.settings import Settings

FILE = click.Path(path_type=Path, dir_okay=False)


def commands(references: Sequence[str]) -> list[click.Command]:
    """The commands for the products of those references."""
    return [_backup(references), _restore(references)]


def _backup(references: Sequence[str]) -> click.Command:
    @click.command(cls=Command)
    @options(*HERE)
    @click.argument("file", type=FILE)
    def backup(file: Path, **flags: Any) -> None:
        """Write all data and the server's secret to FILE, of one moment, while it serves.

        FILE is made with mode 0600, and overwrites nothing. It holds the secret: keep it as such.
        """
        with failing_clearly():
            settings = Settings.load(None, flags)

            from chassis.backup import take
            from chassis.installation import find_product, opened_as_it_is
            from chassis.secret import load_secret

            names = [find_product(reference).name for reference in references]
            with opened_as_it_is(names, settings) as databases:
                secret = load_secret(settings.data, settings.secret)
                manifest = take(databases, secret, file)
        size = file.stat().st_size
        click.echo(f"{file}: {', '.join(manifest.databases)} of {manifest.made}, {size} bytes.")

    return backup


def _restore(references: Sequence[str]) -> click.Command:
    @click.command(cls=Command)
    @options(*HERE)
    @click.option("--force", is_flag=True, help="Replace the data that is there.")
    @click.argument("file", type=FILE)
    def restore(file: Path, force: bool, **flags: Any) -> None:
        """Put the backup FILE in the place of the data. Stop the server first.

        All of FILE is checked before anything is touched. Cut off at any moment, the old data is
        there, or the new.
        """
        with failing_clearly():
            settings = Settings.load(None, flags)

            from chassis.installation import find_product
            from chassis.restore import put_back

            products = [find_product(reference) for reference in references]
            manifest = put_back(file, products, settings, force=force)
        click.echo(f"The data is that of {manifest.made}. Everybody has to sign in again.")

    return restore

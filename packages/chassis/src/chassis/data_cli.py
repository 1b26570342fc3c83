"""The commands that handle all data at once: backup and restore, export and import, prune."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chassis.cli import HERE, Command, failing_clearly, opened, options, settings_of
from chassis.settings import SettingsError

if TYPE_CHECKING:
    from chassis.installation import Installation
    from chassis.transfer import Report, Transfer

FILE = click.Path(path_type=Path, dir_okay=False)


def commands(references: Sequence[str]) -> list[click.Command]:
    """The commands for the products of those references."""
    made = (_backup, _restore, _export, _import, _prune)
    return [command(references) for command in made]


def _backup(references: Sequence[str]) -> click.Command:
    @click.command(cls=Command)
    @options(*HERE)
    @click.argument("file", type=FILE)
    def backup(file: Path, **flags: Any) -> None:
        """Write all data and the server's secret to FILE, of one moment, while it serves.

        FILE is made with mode 0600, and overwrites nothing. It holds the secret: keep it as such.
        """
        with failing_clearly():
            settings = settings_of(references, flags)

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
            settings = settings_of(references, flags)

            from chassis.installation import find_product
            from chassis.restore import put_back

            products = [find_product(reference) for reference in references]
            manifest = put_back(file, products, settings, force=force)
        click.echo(f"The data is that of {manifest.made}. Everybody has to sign in again.")

    return restore


def _export(references: Sequence[str]) -> click.Command:
    @click.command(cls=Command)
    @options(*HERE)
    @click.option("--product", help="Only that product; all of them if left out.")
    @click.option("--output", type=FILE, help="A new file; standard output if left out.")
    @click.option("--with-keys", is_flag=True, help="The digests of keys as well.")
    def export(product: str | None, output: Path | None, with_keys: bool, **flags: Any) -> None:
        """Write all that people set as JSON, for another installation or another database."""
        with failing_clearly():
            from chassis.schema import DATABASE
            from chassis.secret import load_secret
            from chassis.transfer import envelope

            installation = opened(references, flags, making=False)
            try:
                chosen = _transfers(installation, product)
                keys = installation.databases[DATABASE] if with_keys else None
                settings = installation.settings
                secret = load_secret(settings.data, settings.secret) if with_keys else b""
                document = envelope(chosen, keys, secret)
            finally:
                installation.close()
            content = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
            if output is None:
                click.echo(content, nl=False)
            else:
                _write_new(output, content)

    return export


def _import(references: Sequence[str]) -> click.Command:
    @click.command("import", cls=Command)
    @options(*HERE)
    @click.option("--product", help="Only that product; all that FILE has if left out.")
    @click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
    @click.option("--with-keys", is_flag=True, help="The keys of FILE that are not here as well.")
    @click.argument("file", type=click.File("rb"))
    def import_(
        file: Any, product: str | None, dry_run: bool, with_keys: bool, **flags: Any
    ) -> None:
        """Bring in what 'export' wrote to FILE, or - for standard input. Deletes nothing."""
        with failing_clearly():
            from chassis.rights import Principal, Role
            from chassis.schema import DATABASE
            from chassis.secret import load_secret
            from chassis.transfer import load, load_keys, parse

            installation = opened(references, flags)
            try:
                chosen = _transfers(installation, product)
                known = list(_transfers(installation, None))
                document = parse(file.read(), known)
                who = Principal("", "import on the machine", Role.ADMIN)
                reports = load(who, document, chosen, dry_run=dry_run)
                keys = None
                if with_keys and not dry_run:
                    settings = installation.settings
                    secret = load_secret(settings.data, settings.secret)
                    own = installation.databases[DATABASE]
                    keys = load_keys(document, own, secret, installation.keys.roles)
            finally:
                installation.close()
        _tell(reports, keys)

    return import_


def _prune(references: Sequence[str]) -> click.Command:
    @click.command(cls=Command)
    @options(*HERE)
    @click.option("--dry-run", is_flag=True, help="Only count.")
    def prune(dry_run: bool, **flags: Any) -> None:
        """Delete what is older than the settings keep it. A server does so every hour."""
        with failing_clearly():
            import time

            from chassis import retention

            installation = opened(references, flags, making=False)
            try:
                found = retention.prune(installation.rules(time.time()), dry_run=dry_run)
            finally:
                installation.close()
        for one in found:
            click.echo(f"{one.what}: {one.rows}{' would go' if dry_run else ' deleted'}")

    return prune


def _transfers(installation: Installation, only: str | None) -> dict[str, Transfer]:
    found = {
        product.name: product.transfer(installation.context(product))
        for product in installation.products
        if product.transfer is not None
    }
    if only is None:
        return found
    if only not in found:
        known = ", ".join(found) or "none"
        raise SettingsError(f"--product {only} has no export. Those that have: {known}.")
    return {only: found[only]}


def _tell(reports: dict[str, Report], keys: int | None) -> None:
    for name, report in reports.items():
        for change in report.changes:
            click.echo(f"{change.action}  {change.kind:11}  {change.name}")
        would = "would be " if report.dry_run else ""
        click.echo(
            f"{name}: {report.count('created')} {would}created, {report.count('changed')} {would}"
            f"changed, {report.unchanged} as they are.",
            err=True,
        )
    if keys is not None:
        click.echo(f"keys: {keys} created.", err=True)


def _write_new(path: Path, content: str) -> None:
    """A file for its owner alone: an export says what a company is about to do."""
    import os

    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(f"--output {path}: {error.strerror}. Name a new file.") from error
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(content)

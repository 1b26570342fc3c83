"""The commands that every product has: serve, migrate, keys. Quick to import."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from chassis.settings import SETTINGS, OperatorError, Settings, SettingsError

if TYPE_CHECKING:
    from chassis.installation import Installation
    from chassis.keys import KeyRecord

_HOUR = 3600
_DAY = 24 * _HOUR
HERE = ("data",)  # what commands need that do not serve


class Command(click.Command):
    """A command that takes each option once; click itself takes the last one.

    For commands that edit or look up. `serve` takes the last one, so that a script can put its own
    options before those of its caller.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; raises UsageError for what could be meant in two ways."""
        given = list(args)
        rest = super().parse_args(ctx, args)
        seen: dict[str | None, click.Parameter] = {}
        again: set[click.Parameter] = set()
        for one in self.make_parser(ctx).parse_args(args=given)[2]:
            before = seen.setdefault(one.name, one)
            if before is not one:  # of one name are those that answer one question
                said = f"{before.opts[0]} and {one.opts[0]} are both given. Give one of them."
                raise click.UsageError(said, ctx)
            if one in again and not getattr(one, "multiple", False):
                said = " / ".join([*one.opts, *one.secondary_opts])
                raise click.UsageError(f"{said} is given twice. Give it once.", ctx)
            again.add(one)
        return rest


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def command_line(
    name: str,
    references: Sequence[str],
    help: str,  # noqa: A002 (click's own word)
) -> click.Group:
    """The command `name`, which serves the products of those `package.module:NAME` references."""
    # The references are known to every command below: whose settings are no mistake.
    context = {"help_option_names": ["-h", "--help"], "obj": tuple(references)}

    @click.group(name, help=help, context_settings=context)
    @click.version_option(package_name=name, message=f"{name} %(version)s")
    def group() -> None:
        pass

    @group.command()
    @options()
    def serve(**flags: Any) -> None:
        """Serve until stopped. Migrates first."""
        with failing_clearly():
            settings = settings_of(references, flags)
            # Somebody else's folder, which prometheus-client would take for ours as it is imported.
            os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

            from chassis.server import serve as run

            status = run(references, settings)
        sys.exit(status)

    @group.command("check-config")
    @options()
    @click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
    def check_config(as_json: bool, **flags: Any) -> None:
        """Show the settings that 'serve' would use, and what is wrong with them.

        Takes the options of 'serve', and changes nothing. The status is 2 where 'serve' would not
        start, else 0.
        """
        from chassis.checkup import check

        report = check(references, flags)
        click.echo(report.json() if as_json else report.text())
        sys.exit(0 if report.fit else 2)

    @group.command()
    @options(*HERE)
    def migrate(**flags: Any) -> None:
        """Bring the databases up to date, and stop."""
        with failing_clearly():
            opened(references, flags).close()
        click.echo("The databases are up to date.")

    group.add_command(_keys(references))

    from chassis import data_cli

    for command in data_cli.commands(references):
        group.add_command(command)
    return group


def _keys(references: Sequence[str]) -> click.Group:
    @click.group(cls=Group)
    def keys() -> None:
        """Make, list, rotate and revoke API keys, on the machine that has the data."""

    @keys.command()
    @options(*HERE)
    @click.option("--owner", required=True, help="Whose key it is: audits and conflicts show it.")
    @click.option(
        "--role",
        default="write",
        show_default=True,
        help="admin, write and read manage; products add roles of their own, such as FlagBit's "
        "server and client.",
    )
    @click.option("--product", help="Where it is valid; all products if left out.")
    @click.option("--project", help="Where it is valid; all projects if left out.")
    @click.option("--environment", help="Where it is valid; server and client keys need it.")
    @click.option(
        "--days", type=click.IntRange(1, 3660), help="When it expires; never if left out."
    )
    def create(
        owner: str,
        role: str,
        product: str | None,
        project: str | None,
        environment: str | None,
        days: int | None,
        **flags: Any,
    ) -> None:
        """Make a key. It is shown once, on standard output."""
        with _at_the_data(references, flags, making=True) as installation:
            added = installation.keys.roles.added(role)
            if product is None and len(added) == 1:
                product = added[0][0]
            lifetime = None if days is None else days * _DAY
            record, token = installation.keys.create(
                owner, role, product, project, environment, lifetime=lifetime
            )
        click.echo(f"{record.id}: {role} key of {owner}. It is shown only now:", err=True)
        click.echo(token)

    @keys.command()
    @options(*HERE)
    @click.option("--owner", default="administrator", show_default=True, help="Whose key it is.")
    def recover(owner: str, **flags: Any) -> None:
        """Make a new key that may do everything, where every such key was lost.

        It is shown once, on standard output. The others stay valid: revoke those that are lost.
        """
        with _at_the_data(references, flags) as installation:
            record, token = installation.keys.create(owner, "admin")
        click.echo(f"{record.id}: admin key of {owner}. It is shown only now:", err=True)
        click.echo(token)

    @keys.command("list")
    @options(*HERE)
    def list_keys(**flags: Any) -> None:
        """List all keys, without their secrets."""
        with _at_the_data(references, flags) as installation:
            found = installation.keys.list()
        if not found:
            click.echo("There are no keys.", err=True)
        for key in found:
            place = "/".join(filter(None, (key.product, key.project, key.environment))) or "all"
            click.echo(f"{key.id}  {key.prefix}  {key.role:6}  {place}  {_state(key)}  {key.owner}")

    @keys.command()
    @options(*HERE)
    @click.option(
        "--overlap",
        type=click.IntRange(0, 3660 * 24),
        default=24,
        show_default=True,
        metavar="HOURS",
        help="How long the old key stays valid; 0 revokes it now.",
    )
    @click.argument("key_id", metavar="ID")
    def rotate(key_id: str, overlap: int, **flags: Any) -> None:
        """Make a second key that may do the same, and let the first one end.

        The new one is shown once, on standard output. Run it again if you did not see it: a new
        key that was never used is replaced.
        """
        with _at_the_data(references, flags, key_id=key_id) as installation:
            done = installation.keys.rotate(key_id, overlap=overlap * _HOUR)
        end = _state(done.old)
        click.echo(
            f"{done.new.id}: takes over from {key_id} ({end}). It is shown only now:", err=True
        )
        click.echo(done.token)

    @keys.command()
    @options(*HERE)
    @click.argument("key_id", metavar="ID")
    def revoke(key_id: str, **flags: Any) -> None:
        """Refuse a key from now on; running servers follow within a second."""
        with _at_the_data(references, flags, key_id=key_id) as installation:
            record = installation.keys.revoke(key_id)
        click.echo(f"{record.id} of {record.owner} is revoked.")

    return keys


def _state(key: KeyRecord) -> str:
    from chassis.keys import instant

    if key.revoked is not None:
        return "revoked"
    if key.expires is None:
        return "valid"
    verb = "until" if key.is_valid(time.time()) else "expired"
    return f"{verb} {instant(key.expires)}"


@contextmanager
def _at_the_data(
    references: Sequence[str], flags: dict[str, Any], *, making: bool = False, key_id: str = ""
) -> Iterator[Installation]:
    """The keys of an installation, whose products stay closed."""
    from ifmatch.core.errors import Missing

    with failing_clearly():
        settings = settings_of(references, flags)

        from chassis.installation import Installation, find_product

        known = [find_product(reference) for reference in references]
        installation = Installation.open((), settings, serving=False, making=making, known=known)
        try:
            yield installation
        except Missing:
            raise SettingsError(f"There is no key {key_id}. See 'keys list'.") from None
        finally:
            installation.close()


def options(*only: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option for each setting that has a flag, or for those that are named."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed(SETTINGS):
            if setting.flag is None or (only and setting.field not in only):
                continue
            default = setting.show(setting.default)
            shown = f"{setting.help} [{setting.variable}; default: {default}]"
            switch: dict[str, Any] = {"metavar": setting.kind.upper()}
            if setting.kind == "switch":
                switch = {"is_flag": True, "flag_value": "1", "default": None, "type": str}
            option = click.option(setting.flag, setting.field, help=shown, **switch)
            function = option(function)
        config = click.option("--config", metavar="FILE", help="A file of settings, NAME=value.")
        return config(function)

    return decorate


def opened(
    references: Sequence[str], flags: dict[str, Any], *, making: bool = True
) -> Installation:
    """What the settings lead to, migrated; without `making`, only where there is data."""
    settings = settings_of(click.get_current_context().find_root().obj, flags)

    from chassis.installation import Installation, find_product

    products = [find_product(reference) for reference in references]
    return Installation.open(products, settings, serving=False, making=making)


def settings_of(references: Sequence[str], flags: dict[str, Any]) -> Settings:
    """The settings, with those that the command's products bring."""
    from chassis.installation import find_product

    return Settings.load(None, flags, [find_product(reference) for reference in references])


class failing_clearly:  # noqa: N801 (read as a word of the language)
    """Turns what the operator can mend into one line on standard error, and status 2."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OperatorError):
            click.echo(f"error: {error}", err=True)
            sys.exit(2)

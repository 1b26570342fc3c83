"""The command `flagbit`: serves FlagBit alone, and reads and edits flags on any server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from chassis.cli import Group, command_line
from chassis.merge_patch import merge_patch
from flagbit.client import assignments, edit, report
from flagbit.client.changes import Document, Keep
from flagbit.client.failures import BadInput, Conflict, Disagreement, Failure
from flagbit.client.http import Api, Read
from flagbit.client.places import Place
from flagbit.client.terminal import machine_readable, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "http://127.0.0.1:8000/flagbit"

main = command_line(
    "flagbit",
    ("flagbit.product:PRODUCT",),
    """Feature flags that several people can edit without losing changes.

    serve, migrate and keys work on this machine's data; flags and environments speak to a
    server, this one or another.

    Exit statuses: 0 done, 1 error, 2 wrong usage, 3 conflict: somebody else's change came first
    and nothing was written, 4 the answer to a write was lost and nobody knows.
    """,
)


# -- what the commands share -------------------------------------------------------------------


def speaks(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a command an `api`, and the options that say where it is; fails in words."""

    @click.option(
        "--url",
        envvar="FLAGBIT_URL",
        default=URL,
        show_default=True,
        show_envvar=True,
        help="Where FlagBit is.",
    )
    @click.option(
        "--key-file",
        type=click.Path(path_type=Path),
        help="A file with the API key, instead of FLAGBIT_API_KEY. No option takes the key "
        "itself: everybody on a machine can see the arguments of its programs.",
    )
    @click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for an answer.",
    )
    @wraps(function)
    def command(url: str, key_file: Path | None, timeout: float, **rest: Any) -> None:
        with failing_in_words(), Api(url, _key(key_file), timeout) as api:
            function(api=api, **rest)

    return command


def edits(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options that say what it rests on, and what to do in a conflict."""

    @click.option(
        "--if-match",
        "held",
        metavar="TAG",
        help="Write only if the tag is still this one; without --mine or --theirs the change is "
        "never made anew.",
    )
    @click.option(
        "--mine",
        "keep",
        flag_value="mine",
        help="Where somebody else changed the same thing meanwhile: put mine in its place.",
    )
    @click.option(
        "--theirs",
        "keep",
        flag_value="theirs",
        help="Where somebody else changed the same thing meanwhile: leave theirs, and save the "
        "rest of mine.",
    )
    @wraps(function)
    def command(held: str | None, keep: str | None, **rest: Any) -> None:
        anew = held is None
        manner = edit.Manner(held, anew, Keep(keep) if keep else None)
        function(manner=manner, **rest)

    return command


as_json = click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
in_environment = click.option(
    "--environment", "-e", metavar="E", help="What the flag does in this environment."
)


def _key(file: Path | None) -> str:
    if file is None:
        key, where = os.environ.get("FLAGBIT_API_KEY", ""), "FLAGBIT_API_KEY"
    else:
        where = str(file)
        try:
            key = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                f"The key file cannot be read: {error}.", "Name a file that holds an API key."
            ) from error
    key = key.strip()
    if not key:
        raise BadInput(
            f"There is no API key in {where}.",
            "Put one into the environment as FLAGBIT_API_KEY, or into a file and name it with "
            "--key-file. Where the server's data is, 'flagbit keys create --owner NAME' makes one.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadInput(
            f"What is in {where} is no API key: a key is one word of plain characters.",
            "Copy the key again.",
        )
    return key


@contextmanager
def failing_in_words() -> Iterator[None]:
    """Says a Failure on standard error, with what to do next, and ends with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except Failure as failure:
        _say_and_end(failure)


def _say_and_end(failure: Failure) -> NoReturn:
    lines = [visible(line) for line in failure.message.split("\n")]
    click.echo(f"error: {lines[0]}", err=True)
    for line in lines[1:]:
        click.echo(line, err=True)
    next_step = failure.next_step
    if isinstance(failure, Conflict) and failure.found is not None:
        for line in report.disagreement(failure.found, _paint):
            click.echo(line, err=True)
        next_step = next_step or _ways_on(failure.found)
    if next_step:
        click.echo(f"Next: {visible(next_step)}", err=True)
    sys.exit(failure.status)


def _ways_on(found: Disagreement) -> str:
    if found.theirs is None:
        return "Look at it with 'flagbit flags get', and run the command again with the new tag."
    if not found.mine:
        return (
            "If it shall go all the same, run the command again without --if-match, or with "
            "--mine, which does not stop at changes of others."
        )
    held = f"--if-match '{found.tag}'"
    return (
        f"Run the command again with {held} and --theirs, which leaves theirs where both changed "
        f"the same and saves the rest of yours; or with {held} and --mine, which puts yours in "
        "its place."
    )


def _paint(text: str, colour: str) -> str:
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        return text
    return click.style(text, fg=colour)


def _columns() -> int | None:
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def _json(value: Any) -> None:
    click.echo(machine_readable(value, getattr(sys.stdout, "encoding", None) or "ascii"))


def _with_tag(read: Read) -> Document:
    return {**read.document, "etag": read.tag}


def _done(place: Place, saved: edit.Saved, keep: Keep | None, in_json: bool) -> None:
    over = saved.over
    if over is not None:
        click.echo(report.meanwhile(over, keep, written=saved.written), err=True)
    if saved.confirmed:
        click.echo("The answer was lost, but the change was saved.", err=True)
    if in_json:
        _json(_with_tag(saved.now))
        return
    if not saved.written:
        theirs = over is not None and over.clashes
        how = "stays as they left it" if theirs else "is so already"
        click.echo(f"{place} {how}; nothing was written.")
        return
    click.echo(f"{place} is saved, as {visible(saved.now.tag)}")
    for line in report.changed(saved.made):
        click.echo(line)


# -- flags -------------------------------------------------------------------------------------


@main.group(cls=Group)
def flags() -> None:
    """List, read and edit flags on a server."""


@flags.command("list")
@click.option("--environment", "-e", metavar="E", help="Show whether each is on there.")
@click.option("--q", metavar="TEXT", help="Only flags with this in key or description.")
@click.option("--tag", help="Only flags with this tag.")
@click.option("--archived", is_flag=True, help="The archived flags instead of the others.")
@as_json
@speaks
def list_flags(
    api: Api,
    environment: str | None,
    q: str | None,
    tag: str | None,
    archived: bool,
    as_json: bool,
) -> None:
    """List the flags by key."""
    asked = {"environment": environment, "q": q, "tag": tag, "archived": "true" * archived}
    found = list(api.items("/flags", {name: text for name, text in asked.items() if text}))
    if as_json:
        _json({"items": found})
    elif found:
        click.echo(report.flags(found, environment, _columns()))
    else:
        click.echo("There are no such flags.", err=True)


@flags.command("get")
@click.argument("key")
@in_environment
@as_json
@speaks
def get_flag(api: Api, key: str, environment: str | None, as_json: bool) -> None:
    """Show a flag, or what it does in one environment, with its tag."""
    found = api.read(Place(key, environment))
    if as_json:
        _json(_with_tag(found))
    else:
        click.echo(report.document(found.document, found.tag))


@flags.command("set")
@click.argument("key")
@click.argument("assigned", nargs=-1, metavar="[FIELD=VALUE]...")
@in_environment
@click.option("--patch", metavar="JSON", help="A JSON Merge Patch (RFC 7396) instead.")
@click.option(
    "--file",
    metavar="F",
    type=click.File("r", encoding="utf-8"),
    help="A file with what 'get --json' printed, changed; - is standard input. The tag in it "
    "says what it rests on: what others have changed since stays.",
)
@edits
@as_json
@speaks
def set_flag(
    api: Api,
    manner: edit.Manner,
    key: str,
    assigned: tuple[str, ...],
    environment: str | None,
    patch: str | None,
    file: Any,
    as_json: bool,
) -> None:
    """Change fields of a flag, or of what it does in one environment.

    A VALUE is JSON, or else text: enabled=true, description='Dark colours', tags='["ui"]'.
    variants.on=true is the value of the variant "on".
    """
    place = Place(key, environment)
    make, tag = _wanted(assigned, patch, file)
    if tag is not None and manner.held is None:
        manner = replace(manner, held=tag)
    _done(place, edit.edit(api, place, make, manner), manner.keep, as_json)


def _wanted(
    assigned: tuple[str, ...], patch: str | None, file: Any
) -> tuple[Callable[[Document], Document], str | None]:
    """What makes the new state of the old one, and the tag that it rests on."""
    given = {"FIELD=VALUE": bool(assigned), "--patch": patch is not None, "--file": bool(file)}
    ways = [name for name, there in given.items() if there]
    if not ways:
        raise BadInput(
            "There is nothing to change.",
            "Say what shall be changed: FIELD=VALUE as in description='Dark colours', --patch or "
            "--file.",
        )
    if len(ways) > 1:
        raise BadInput(f"{' and '.join(ways)} are given together.", "Give one of them.")
    if patch is not None:
        change = assignments.read_object(patch, "The patch")
        return (lambda base: merge_patch(base, change)), None
    if file is not None:
        try:
            text = file.read()
        except UnicodeDecodeError as error:
            raise BadInput(f"The file is not UTF-8: {error}.", "Save it as UTF-8.") from error
        content = assignments.read_object(text, "The file")
        tag = content.pop("etag", None)
        return (lambda base: base | content), None if tag is None else str(tag)
    parsed = assignments.parse(assigned)
    return (lambda base: assignments.assign(base, parsed)), None


@flags.command("toggle")
@click.argument("key")
@click.option("--environment", "-e", metavar="E", required=True, help="Where to switch it.")
@click.option("--on/--off", "wanted", default=None, help="What to switch it to. [the other]")
@edits
@as_json
@speaks
def toggle_flag(
    api: Api, manner: edit.Manner, key: str, environment: str, wanted: bool | None, as_json: bool
) -> None:
    """Switch a flag on or off in one environment."""

    def make(base: Document) -> Document:
        return base | {"enabled": not base.get("enabled") if wanted is None else wanted}

    place = Place(key, environment)
    _done(place, edit.edit(api, place, make, manner), manner.keep, as_json)


@flags.command("create")
@click.argument("key")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["boolean", "string", "integer", "float", "object"]),
    default="boolean",
    show_default=True,
    help="The type of its values.",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variant with its value, in JSON; again for each. A boolean flag has on and off.",
)
@click.option("--default", metavar="NAME", help="The variant served by default. [off]")
@click.option("--off", metavar="NAME", help="The variant served when it is off. [as --default]")
@click.option("--description", default="", help="What it is for.")
@click.option("--tag", "tags", multiple=True, help="A tag; again for each.")
@click.option("--client-visible", is_flag=True, help="Let client keys see it.")
@as_json
@speaks
def create_flag(
    api: Api,
    key: str,
    kind: str,
    variants: tuple[str, ...],
    default: str | None,
    off: str | None,
    as_json: bool,
    **more: Any,
) -> None:
    """Create a flag; it is off in every environment."""
    values = _variants(kind, variants)
    default = default or ("off" if "off" in values else None)
    if default is None:
        raise BadInput("It is not said which variant is the default.", "Add --default NAME.")
    document = {
        "key": key,
        "type": kind,
        "variants": values,
        "default_variant": default,
        "off_variant": off or default,
        **{name: list(value) if name == "tags" else value for name, value in more.items()},
    }
    place = Place(key)
    saved = edit.create(api, place, document)
    if as_json or saved.confirmed:
        _done(place, saved, None, as_json)
    else:
        click.echo(f"{place} is created, as {visible(saved.now.tag)}")


def _variants(kind: str, words: tuple[str, ...]) -> Document:
    if not words and kind == "boolean":
        return {"on": True, "off": False}
    values: Document = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise BadInput(f"{word!r} is not NAME=VALUE.", "Write it as in --variant small=10.")
        if name in values:
            raise BadInput(
                f"The variant {name} is given twice, and only one value can stay.",
                "Give each variant once.",
            )
        values[name] = assignments.value_of(text, kind=kind)
    if not values:
        raise BadInput(f"A flag of type {kind} needs variants.", "Add --variant NAME=VALUE.")
    return values


@flags.command("delete")
@click.argument("key")
@click.option("--if-match", "held", metavar="TAG", help="Delete only if the tag is still this one.")
@click.option(
    "--mine", is_flag=True, help="Delete it even if somebody else has changed it meanwhile."
)
@speaks
def delete_flag(api: Api, key: str, held: str | None, mine: bool) -> None:
    """Delete a flag for good. One that was set up must be archived first."""
    manner = edit.Manner(held, keep=Keep.MINE if mine else None)
    done = edit.delete(api, Place(key), manner)
    click.echo(f"{key} is deleted." if done else f"{key} had been deleted by somebody else.")


@flags.command("history")
@click.argument("key")
@in_environment
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many changes at most.",
)
@as_json
@speaks
def flag_history(api: Api, key: str, environment: str | None, limit: int, as_json: bool) -> None:
    """Show who changed a flag, when, and what; the newest first."""
    from itertools import islice

    found = list(islice(api.history(Place(key, environment), limit), limit))
    if not found:
        api.read(Place(key, environment))  # says so where there is no such flag
    if as_json:
        _json({"items": found})
        return
    for line in report.history(found):
        click.echo(line)


# -- environments ------------------------------------------------------------------------------


@main.group(cls=Group)
def environments() -> None:
    """The environments of a server."""


@environments.command("list")
@as_json
@speaks
def list_environments(api: Api, as_json: bool) -> None:
    """List the environments by key."""
    found = list(api.items("/environments"))
    if as_json:
        _json({"items": found})
    else:
        click.echo(report.environments(found))

"""`ifmatch explain` and `ifmatch tag`. Quick to import: what a command needs it imports itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

import click

from ifmatch.cli.terminal import Pen, Wrong, columns, cut, standard_input, visible

_EXPLAIN = """\b
Example:
  ifmatch explain --method PUT --etag '"b"' -H 'If-Match: "a"'
"""
_TAG = """\b
Example:
  printf '{"b": 1, "a": 2}' | ifmatch tag -
"""


@contextmanager
def _errors_seen() -> Iterator[None]:
    """Click repeats what was typed: no error of its own shall command the terminal either."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        raise click.UsageError(visible(error.format_message()), error.ctx) from None


class _Group(click.Group):
    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with _errors_seen():
            return super().make_context(*arguments, **extra)

    def invoke(self, context: click.Context) -> Any:
        with _errors_seen():
            return super().invoke(context)


@click.group(cls=_Group, epilog=_EXPLAIN, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ifmatch", message="ifmatch %(version)s")
def group() -> None:
    """HTTP conditional requests: why an answer is what it is, and tags to try it with."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


coloured = click.option(
    "--color/--no-color",
    "colour",
    default=None,
    help="Colours or none. [where it is a terminal, unless NO_COLOR is set]",
)


# -- explain ---------------------------------------------------------------------------------------


@group.command(epilog=_EXPLAIN)
@click.argument("head", required=False, metavar="[-]")
@click.option("--method", metavar="NAME", help="The method of the request. [GET]")
@click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    metavar="FIELD",
    help="A field of it, again for each.",
)
@click.option("--etag", metavar="TAG", help="The tag of what is stored, as its ETag field has it.")
@click.option(
    "--last-modified", metavar="DATE", help="Its date, as its Last-Modified field has it."
)
@click.option("--strong-date", is_flag=True, help="It did not change twice in that second.")
@click.option(
    "--length",
    type=click.IntRange(min=0),
    metavar="BYTES",
    help="Its length: ranges of bytes are supported.",
)
@click.option("--missing", is_flag=True, help="Nothing is stored.")
@click.option(
    "--comparison",
    type=click.Choice(["strict", "state"]),
    default="strict",
    show_default=True,
    help="How If-Match compares: as the RFC has it, or opaque parts, so that weak tags match.",
)
@click.option("--required", is_flag=True, help="A write must say which state it was made on.")
@click.option("--any-satisfies", is_flag=True, help="With --required: If-Match: * is enough.")
@click.option("--lenient", is_flag=True, help="A malformed field on a write has failed: no 400.")
@click.option("--safe", is_flag=True, help="The method is a safe read, whatever its name.")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
@click.option(
    "--exit-status", is_flag=True, help="Exit with 0 if the method is performed, else with 1."
)
@coloured
def explain(
    head: str | None,
    method: str | None,
    headers: tuple[str, ...],
    length: int | None,
    as_json: bool,
    exit_status: bool,
    colour: bool | None,
    **given: Any,
) -> None:
    """Tell why a request gets its answer.

    Its conditions are judged on what is stored, in the steps of RFC 9110 section 13.2.2. Both are
    as the options say them, and nothing is sent anywhere.

    With - the head of the request is read from standard input, as curl -v or a log shows it:
    the request line and the fields. Lines may begin with "> ".
    """
    from ifmatch.cli.request import (
        LONGEST_HEAD,
        Request,
        field_of,
        method_of,
        read_head,
        state_of,
    )
    from ifmatch.cli.story import story
    from ifmatch.core.conditions import Comparison
    from ifmatch.core.decide import Policy
    from ifmatch.core.explain import explain as explained
    from ifmatch.core.verdict import Outcome

    current = state_of(length=length, **given)
    fields = [field_of(word) for word in headers]
    if head is None:
        request = Request(method_of(method or "GET"), fields)
    elif head != "-":
        raise Wrong(
            f"{cut(head, 50)!r} is not expected here.",
            "Give - for a request on standard input, and -H before each field.",
        )
    elif method is not None:
        raise Wrong("The request on standard input has its method.", "Leave out --method.")
    else:
        read = read_head(standard_input().read(LONGEST_HEAD + 1))
        request = Request(read.method, read.fields + fields)
    policy = Policy(
        Comparison(given["comparison"]),
        given["required"],
        given["any_satisfies"],
        refuse_malformed=not given["lenient"],
    )
    safe = True if given["safe"] else None
    told = explained(request.method, request.fields, current, policy, safe=safe, length=length)
    if as_json:
        # In ASCII, and DEL with the others: nothing in it commands a terminal.
        click.echo(json.dumps(told.as_json(), indent=2).replace("\x7f", "\\u007f"))
    else:
        pen = Pen.choose(colour)
        for line in story(request, current, length, told, pen, columns()):
            pen.write(line)
    if exit_status and told.outcome not in (Outcome.PROCEED, Outcome.PARTIAL_CONTENT):
        sys.exit(1)


# -- tag -------------------------------------------------------------------------------------------


@group.command(epilog=_TAG)
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option("--json", "as_json", is_flag=True, help="Read it as JSON, whatever its name.")
@click.option("--bytes", "as_bytes", is_flag=True, help="Read it as bytes, whatever its name.")
@click.option(
    "--canonical", "only_canonical", is_flag=True, help="Only the canonical form, to the byte."
)
@click.option("--version", type=click.IntRange(min=0), metavar="N", help="The tag of a version.")
@click.option("--epoch", metavar="E", help="With --version: what else changes the bytes.")
@click.option("--coding", metavar="C", help="With --version: identity, gzip, ...")
@coloured
def tag(
    file: str | None,
    as_json: bool,
    as_bytes: bool,
    only_canonical: bool,
    version: int | None,
    epoch: str | None,
    coding: str | None,
    colour: bool | None,
) -> None:
    """Make the entity tags of a file.

    With - it is standard input, with --version a number and no file.

    JSON has a canonical form and two tags: a weak one of the state that it shows, and a strong
    one of its very bytes. It is JSON if its name ends in .json, or if standard input begins with
    { or [. Of anything else the tag of its bytes is printed, alone.

    A version's tag is strong only with an epoch and a coding.
    """
    if (as_json or only_canonical) and as_bytes:
        raise Wrong(
            "It is read as JSON or as bytes.", "Leave out --bytes, or --json and --canonical."
        )
    if version is not None:
        if file is not None or as_json or as_bytes or only_canonical:
            raise Wrong("The tag of a version needs no file.", "Leave out one of the two.")
        click.echo(_version_tag(version, epoch, coding))
    elif epoch is not None or coding is not None:
        raise Wrong("--epoch and --coding belong to a version.", "Add --version N.")
    elif file is None:
        raise Wrong(
            "There is nothing to tag.", "Name a file, - for standard input, or --version N."
        )
    else:
        asked = True if as_json or only_canonical else False if as_bytes else None
        _tag_file(file, asked, only_canonical, Pen.choose(colour))


def _version_tag(version: int, epoch: str | None, coding: str | None) -> str:
    from ifmatch.core.tags import version_tag

    try:
        return visible(str(version_tag(version, epoch=epoch, coding=coding)))
    except ValueError as error:
        raise Wrong("No tag can be made of these.", str(error)) from None


def _tag_file(name: str, is_json: bool | None, only_canonical: bool, pen: Pen) -> None:
    from ifmatch.cli.content import begins_like_json, chunks, opened, read_json, read_whole
    from ifmatch.core.canonical import canonical
    from ifmatch.core.tags import bytes_tag

    with opened(name) as file:
        first = b""
        if is_json is None and name == "-":
            is_json, first = begins_like_json(file)
        elif is_json is None:
            is_json = name.lower().endswith(".json")
        if not is_json:
            click.echo(bytes_tag(chunks(file, first)))
            return
        content = read_whole(name, file, first)
    written = canonical(read_json(name, content))
    if only_canonical:
        _write_exactly(written)
    else:
        _write_tags(content, written, pen)


def _write_exactly(written: bytes) -> None:
    if sys.stdout.isatty() and not written.decode("utf-8").isprintable():
        raise Wrong(
            "It holds characters that a terminal does not show, or obeys.",
            "Send it into a file or a pipe.",
        )
    stream = sys.stdout.buffer
    stream.write(written)
    stream.flush()


def _write_tags(content: bytes, written: bytes, pen: Pen) -> None:
    from ifmatch.core.etag import ETag
    from ifmatch.core.tags import bytes_tag, state_digest

    room = columns() - 11
    shown = cut(visible(written[: 4 * room + 4].decode("utf-8", "ignore")), room)
    state = ETag(state_digest(written), weak=True)
    size = f"{len(content):,} byte{'s' * (len(content) != 1)}"
    rows = (
        ("canonical", shown, f"{len(written):,} bytes; --canonical prints them and nothing else"),
        ("state tag", str(state), "weak: the same in any layout, order of names and coding"),
        ("bytes tag", str(bytes_tag(content)), f"strong: of these {size} as they are"),
    )
    for label, text, note in rows:
        pen.write(f"{pen(f'{label:11}', bold=True)}{text}")
        pen.write(" " * 11 + pen(note, dim=True))

"""Why the server refused, for somebody who ran a command: in fields and commands, not requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flagbit.client.changes import Document
from flagbit.client.failures import Failure, NotFound
from flagbit.client.places import Place

# By kind of problem: what it means, and what to do next. A None leaves the server's own words.
# {flag} and {environment} are those of the problem, or else those that the command is about.
WORDS: Mapping[str, tuple[str | None, str]] = {
    "flag-not-found": ("There is no flag {flag!r}.", "'flagbit flags list' shows the flags."),
    "state-not-found": (
        "There is no flag {flag!r}, or no environment {environment!r}.",
        "'flagbit flags list' and 'flagbit environments list' show what there is.",
    ),
    "environment-not-found": (
        "There is no environment {environment!r}.",
        "'flagbit environments list' shows the environments.",
    ),
    "flag-archived": (
        "The flag {flag} is archived, and what it does is kept as it was. Nothing was changed.",
        "'flagbit flags set {flag} archived=false' takes it out of the archive.",
    ),
    "flag-in-use": (
        "Deleting {flag} would lose what is set up in {environment}. Nothing was changed.",
        "'flagbit flags set {flag} archived=true' archives it; then it can be deleted.",
    ),
    "variant-in-use": (
        "A variant that would go is served in the environment {environment}. Nothing was changed.",
        "Serve another one there first, with 'flagbit flags set {flag} -e {environment}'.",
    ),
    "type-is-fixed": (
        "The type of {flag} stays for good, since clients rely on it. Nothing was changed.",
        "'flagbit flags create' makes another flag, of another type.",
    ),
    "key-mismatch": (
        "The key of a flag and the environment of its state stay for good. Nothing was changed.",
        "Leave them as they are, or out.",
    ),
    "validation-failed": (
        "This is not accepted, and nothing was changed.",
        "Correct it and run the command again.",
    ),
    "malformed-json": (
        "The server could not read this as JSON in UTF-8, and nothing was changed.",
        "Look for characters that are none, such as halves of a pair, and take them out.",
    ),
}
_OTHER_KEY = "Use a key with the role 'write' or 'admin'. An administrator can make one."


def refused(status: int, slug: str, problem: Document, place: Place | None) -> Failure:
    """The failure that a problem is."""
    message, next_step = WORDS.get(slug, (None, _OTHER_KEY if status == 403 else None))
    names = {
        "flag": problem.get("flag") or (place and place.flag),
        "environment": problem.get("environment") or (place and place.environment),
    }
    if message is None:
        said = str(problem.get("detail") or problem.get("title") or status)
    else:
        said = message.format(**names)
    lines = [said] if slug == "key-mismatch" else [said, *_faults(problem)]
    made = NotFound if status == 404 else Failure
    return made("\n".join(lines), next_step and next_step.format(**names))


def _faults(problem: Mapping[str, Any]) -> Iterator[str]:
    errors = problem.get("errors")
    for one in errors if isinstance(errors, list) else ():
        if isinstance(one, dict):
            where = _field(str(one.get("pointer") or "")) or one.get("name") or "as a whole"
            yield f"  {where}: {one.get('detail')}"


def _field(pointer: str) -> str:
    """A JSON pointer as people write a field.

    >>> _field("/rules/0/op"), _field("/variants/1")
    ('rules[0].op', 'variants.1')
    """
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if parts[:1] == ["variants"]:
        return ".".join(parts)
    return "".join(f"[{one}]" if one.isdecimal() else f".{one}" for one in parts).lstrip(".")

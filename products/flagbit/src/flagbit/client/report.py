"""What people read: flags in tables, changes line by line, and whose change came first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from flagbit.client.changes import Change, Clash, Document, Keep, Path, changes
from flagbit.client.failures import Disagreement
from flagbit.client.terminal import shown, table, visible

Paint = Callable[[str, str], str]
"""Gives a text a colour, or leaves it as it is."""


def plain(text: str, _colour: str) -> str:
    """No colours."""
    return text


def flags(items: Iterable[Document], environment: str | None, columns: int | None) -> str:
    """A line for each flag."""
    listed = list(items)
    head = ["KEY", "TYPE", "DEFAULT", "TAGS", "DESCRIPTION"]
    rows = [
        [
            str(one.get("key")),
            str(one.get("type")),
            str(one.get("default_variant")),
            ",".join(map(str, one.get("tags") or ())),
            str(one.get("description", "")),
        ]
        for one in listed
    ]
    if environment is not None:
        head.insert(2, "STATE")
        for row, one in zip(rows, listed, strict=True):
            row.insert(2, "on" if one["state"]["enabled"] else "off")
    return table(head, rows, columns)


def environments(items: Iterable[Document]) -> str:
    """A line for each environment."""
    return table(["KEY", "NAME"], [[str(one.get("key")), str(one.get("name"))] for one in items])


def document(content: Mapping[str, Any], tag: str) -> str:
    """A line for each member; a line for each variant and each rule."""
    lines: list[tuple[str, str]] = []
    for member, value in content.items():
        if isinstance(value, dict) and member == "variants":
            lines += [(f"variants.{name}", shown(one)) for name, one in sorted(value.items())]
        elif isinstance(value, list) and member == "rules" and value:
            lines += [(f"rules[{index}]", shown(one)) for index, one in enumerate(value)]
        else:
            lines.append((member, visible(value) if isinstance(value, str) else shown(value)))
    lines.append(("etag", visible(tag)))
    return "\n".join(f"{visible(name):<18} {value}".rstrip() for name, value in lines)


def history(entries: Iterable[Document]) -> Iterator[str]:
    """When, who, what; and below it what was changed."""
    for one in entries:
        words = [one.get("at"), one.get("actor"), one.get("action"), one.get("environment") or ""]
        yield "  ".join(visible(str(word)) for word in words).rstrip()
        before, after = one.get("before") or {}, one.get("after") or {}
        if before and after:
            yield from changed(changes(before, after))


def changed(made: Mapping[Path, Change]) -> Iterator[str]:
    """A line for each change: what it was, what it is."""
    for path, one in made.items():
        yield f"  {field(path)}: {shown(one.before)} -> {shown(one.after)}"


def field(path: Path) -> str:
    """A path as people write it."""
    return visible(".".join(path))


def disagreement(found: Disagreement, paint: Paint) -> Iterator[str]:
    """My change beside theirs: base, mine and theirs where they clash, else a line for each."""
    for path, one in found.clashes.items():
        yield from _clash(path, one, paint)
    if found.theirs is None:
        yield f"  The state of {visible(found.tag)} lies too far back to show what was changed."
    theirs = {path: one for path, one in (found.theirs or {}).items() if path not in found.clashes}
    mine = {path: one for path, one in found.mine.items() if path not in found.clashes}
    for title, made in (("Theirs:", theirs), ("Mine, which nobody else changed:", mine)):
        if made:
            yield title
            yield from changed(made)


def _clash(path: Path, one: Clash, paint: Paint) -> Iterator[str]:
    yield f"  {field(path)}"
    for name, value, colour in (
        ("base", one.base, "white"),
        ("mine", one.mine, "green"),
        ("theirs", one.theirs, "yellow"),
    ):
        yield "    " + paint(f"{name:<7} {shown(value)}", colour)


def meanwhile(found: Disagreement, keep: Keep | None, *, written: bool) -> str:
    """Says whose change came first, and what became of mine."""
    who = visible(str((found.last or {}).get("by") or "somebody"))
    names = _fields(found.theirs or {}) or "something"
    if not found.clashes:
        if not written:
            return f"{who} made the same change meanwhile."
        return f"{who} changed {names} meanwhile; your change was made anew on top of that."
    said = f"{who} changed {names} meanwhile. You both changed {_fields(found.clashes)}: "
    if keep is Keep.MINE:
        return said + "yours took the place of theirs."
    return said + ("theirs stays, and the rest of yours is saved." if written else "theirs stays.")


def _fields(paths: Iterable[Path]) -> str:
    return ", ".join(field(path) for path in paths)

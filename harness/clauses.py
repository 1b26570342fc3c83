"""Writes docs/clauses.md from the clauses and the vectors. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VECTORS = Path("packages/ifmatch/src/ifmatch/testing/vectors")
PAGE = Path("docs/clauses.md")

HEAD = """\
# What the RFCs ask for, clause by clause

Each MUST, MUST NOT, SHOULD and SHOULD NOT of RFC 9110 sections 8.8 (validators), 13 (conditions)
and 14 (ranges), of the status codes and grammar rules that they rest on, and of RFC 6585 section 3,
in our own words; and each MAY on which something is decided here. Of {total} rows {supported} are
supported, {deviation} is a deviation, and {other} are not for the side of an origin server, or
permissions that are not used.

- **Decided in** names the file under `packages/ifmatch/src/ifmatch` and what in it decides.
- **Shown by** names [vectors](reference/vectors.md): first those in which the clause bites, then,
  after "not", those just outside of it, in which it must not. Each runs against the core and, over
  a socket, against the ASGI middleware. What no request can show is shown by the test named there.
- A row that a setting can turn into a [deviation](deviations.md) links there.

This page is written by `python3 dev.py clauses`; a test notices when it is stale.
"""

TITLES = {
    "5.6.1.2": "Lists, as a recipient reads them",
    "5.6.7": "Dates",
    "8.8.1": "Weak and strong validators",
    "8.8.2.1": "Last-Modified: generation",
    "8.8.3": "ETag",
    "8.8.3.1": "ETag: generation",
    "13.1.1": "If-Match",
    "13.1.2": "If-None-Match",
    "13.1.3": "If-Modified-Since",
    "13.1.4": "If-Unmodified-Since",
    "13.1.5": "If-Range",
    "13.2.1": "When to evaluate",
    "13.2.2": "Precedence",
    "14": "Range requests",
    "14.1.2": "Byte ranges",
    "14.2": "Range",
    "14.3": "Accept-Ranges",
    "14.4": "Content-Range",
    "14.5": "Partial PUT",
    "15.3.7": "206 Partial Content",
    "15.3.7.1": "206 with a single part",
    "15.3.7.2": "206 with multiple parts",
    "15.3.7.3": "Combining parts",
    "15.4.5": "304 Not Modified",
    "15.5.17": "416 Range Not Satisfiable",
    "RFC 6585 3": "428 Precondition Required",
}
"""What each section is about."""


def page(root: Path) -> str:
    """The page as it should be, from the files under `root`."""
    clauses = json.loads((root / VECTORS / "clauses.json").read_text("utf-8"))["clauses"]
    shown = _shown(root)
    counted = [clause["status"] for clause in clauses]
    head = HEAD.format(
        total=len(clauses),
        supported=counted.count("supported"),
        deviation=counted.count("deviation"),
        other=counted.count("not applicable"),
    )
    lines = [head]
    section = None
    for clause in clauses:
        if clause["section"] != section:
            section = clause["section"]
            name = section if section.startswith("RFC") else f"RFC 9110 {section}"
            lines += [
                f"\n## {name}: {TITLES[section]}\n",
                "| clause | | what is asked | decided in | shown by |",
                "|---|---|---|---|---|",
            ]
        lines.append(_row(clause, shown.get(clause["id"], {})))
    return "\n".join(lines) + "\n"


def _shown(root: Path) -> dict[str, dict[str, list[str]]]:
    """For each clause the ids of the vectors on both sides of it."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted((root / VECTORS).glob("*.json")):
        for case in json.loads(path.read_text("utf-8")).get("cases", ()):
            for clause, side in case["shows"].items():
                found.setdefault(clause, {}).setdefault(side, []).append(case["id"])
    return found


def _row(clause: dict[str, Any], shown: dict[str, list[str]]) -> str:
    level = f"{clause['level']}<br>{clause['for']}"
    says = clause["says"]
    if clause["status"] == "not applicable":
        return _cells(clause["id"], level, says, f"not applicable: {clause['why']}", "")
    if clause["status"] == "deviation":
        says += f" **Deviation**: {clause['why']}"
    if "deviation" in clause:
        says += f" See [`{clause['deviation']}`](deviations.md)."
    where = "<br>".join(f"`{place}`" for place in clause["where"])
    return _cells(clause["id"], level, says, where, "<br>".join(_evidence(clause, shown)))


def _evidence(clause: dict[str, Any], shown: dict[str, list[str]]) -> Iterator[str]:
    for side, before in (("met", ""), ("edge", "not ")):
        ids = shown.get(side, [])
        if ids:
            more = f" and {len(ids) - 2} more" if len(ids) > 2 else ""
            yield before + ", ".join(f"`{each}`" for each in ids[:2]) + more
    for test in clause["tests"]:
        yield f"`{test.rpartition('::')[2]}`"


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def write(root: Path) -> bool:
    """Write the page; whether that changed it."""
    target, text = root / PAGE, page(root)
    if target.exists() and target.read_text("utf-8") == text:
        return False
    target.write_text(text, "utf-8")
    return True

"""An explanation as lines for people: the request, the state, the path, the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from ifmatch.cli.request import Request
from ifmatch.cli.terminal import Pen, cut, readable, wrapped
from ifmatch.core.decide import SAFE_METHODS, Validators
from ifmatch.core.explain import Explanation, Told
from ifmatch.core.httpdate import format_http_date
from ifmatch.core.verdict import Outcome

_COLOURS = {
    Outcome.PROCEED: "green",
    Outcome.PARTIAL_CONTENT: "green",
    Outcome.NOT_MODIFIED: "cyan",
}
_SAID = {"holds": "green", "fails": "red", "malformed": "red"}
_LABEL = 9  # columns of "request  "


def state_in_a_line(current: Validators | None, length: int | None) -> str:
    """What is stored: its tag, its date, its length."""
    if current is None:
        return "there is none"
    strong = "strong" if current.last_modified_is_strong else "weak"
    known = {
        "ETag": current.text,
        "Last-Modified": None
        if current.last_modified is None
        else f"{format_http_date(current.last_modified)} ({strong})",
    }
    words = [f"{name}: {value}" for name, value in known.items() if value is not None]
    if length is not None:
        words.append(f"{length:,} bytes")
    return "  ".join(words) or "there is one, without a tag and a date"


def story(
    request: Request,
    current: Validators | None,
    length: int | None,
    told: Explanation,
    pen: Pen,
    width: int,
) -> Iterator[str]:
    """All lines, none longer than `width` as it is seen."""
    for label, text in (
        ("request", request.in_a_line()),
        ("state", state_in_a_line(current, length)),
    ):
        yield pen(f"{label:{_LABEL}}", bold=True) + cut(readable(text), width - _LABEL)
    yield ""
    for number, step in enumerate(told.steps, 1):
        yield from _step(str(number) if len(told.steps) > 1 else " ", step, pen, width)
    yield ""
    yield from _verdict(told, pen, width)
    if current is None and request.method in SAFE_METHODS:
        yield ""
        note = (
            f"A {request.method} of what is missing is 404, whatever it asks: conditions count "
            "only where the answer without them would be 2xx or 412 (13.2.1)."
        )
        for line in wrapped(note, 0, width):
            yield pen(line, dim=True)


def _step(number: str, step: Told, pen: Pen, width: int) -> Iterator[str]:
    head = f"{number}  {step.clause:<9} " + (f"{step.field:<20} " if step.field else "")
    because = wrapped(readable(step.because), 3, width)
    if not step.leads_to:
        yield pen(head + step.said, dim=True)
        yield from (pen(line, dim=True) for line in because)
        return
    yield head + pen(step.said, fg=_SAID.get(step.said)) + f" -> {step.leads_to}"
    yield from because


def _verdict(told: Explanation, pen: Pen, width: int) -> Iterator[str]:
    plain = told.as_json()
    yield pen(plain["answer"], bold=True, fg=_COLOURS.get(told.outcome, "red"))
    by = f"by {plain['field']}, " if plain["field"] else ""
    yield f"{by}{plain['clause']}"
    if plain.get("ranges"):
        ranges = ", ".join(f"{first}-{last}" for first, last in plain["ranges"])
        yield from wrapped(f"bytes {ranges}", 0, width)
    if plain.get("suggestion") is not None:
        # In one piece, however long: it is there to be copied.
        yield f"send instead: {plain['field']}: {readable(plain['suggestion'])}"

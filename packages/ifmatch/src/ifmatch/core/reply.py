"""The answers that follow from a verdict: fields of a 304 or 206, problem details of a refusal.

RFC 9110 sections 15.3.7 (206), 15.4.5 (304), 15.5.13 (412), 15.5.17 (416), RFC 6585 section 3
(428), RFC 9457 (problems).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ifmatch.core.byteranges import media_type, multipart
from ifmatch.core.etag import ETag
from ifmatch.core.ranges import Selection
from ifmatch.core.verdict import Outcome, Verdict

PROBLEM_JSON = "application/problem+json"
PROBLEM_TYPE = "urn:ifmatch:problem:"

REPRESENTATION_METADATA = frozenset(
    {
        "accept-ranges",
        "content-digest",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-range",
        "content-type",
        "digest",
        "last-modified",
        "repr-digest",
        "trailer",
        "transfer-encoding",
    }
)
"""Fields of a 200 that a 304 with an entity tag does not carry (15.4.5, 8.6); in lower case."""

_NEVER_IN_304 = REPRESENTATION_METADATA - {"last-modified"}
_NEVER_IN_304_RAW = frozenset(name.encode() for name in _NEVER_IN_304)


def keeps_in_304(name: str) -> bool:
    """Whether a field of the 200 stays in the 304: all do that do not describe the content.

    What is no representation metadata (cookies, CORS, security, request ids) is left alone.
    """
    return name.lower() not in REPRESENTATION_METADATA


def not_modified_fields(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields of a 304, from those that the 200 would have had.

    Without an entity tag Last-Modified stays: it is what a cache then knows its answer by.
    """
    kept = [(name, value) for name, value in fields if name.lower() not in _NEVER_IN_304]
    if any(name.lower() == "etag" for name, _ in kept):
        return [(name, value) for name, value in kept if name.lower() != "last-modified"]
    return kept


def not_modified_raw(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same for fields as ASGI gives them."""
    kept = [(name, value) for name, value in fields if name.lower() not in _NEVER_IN_304_RAW]
    if any(name.lower() == b"etag" for name, _ in kept):
        return [(name, value) for name, value in kept if name.lower() != b"last-modified"]
    return kept


_OF_THE_WHOLE = frozenset(
    {"content-digest", "content-length", "content-md5", "content-range", "trailer"}
)
"""Fields of a 200 that say something about its content as a message, and so not of a part."""


def partial_content(
    fields: Iterable[tuple[str, str]],
    content: bytes,
    selection: Selection,
    *,
    if_range: bool,
    boundary: str,
) -> tuple[list[tuple[str, str]], bytes]:
    """The fields and the content of a 206, from those that the 200 would have had (15.3.7).

    `if_range` says that the request had an If-Range: the client has the fields that describe the
    representation, and they are left out. `boundary` is for several parts; see `multipart`.
    """
    of_the_200 = list(fields)
    left_out = REPRESENTATION_METADATA if if_range else _OF_THE_WHOLE
    kept = [(name, value) for name, value in of_the_200 if name.lower() not in left_out]
    if len(selection.ranges) == 1:
        (only,) = selection.ranges
        body = content[only.first : only.last + 1]
        kept.append(("Content-Range", only.content_range(selection.length)))
    else:
        types = [value for name, value in of_the_200 if name.lower() == "content-type"]
        body = multipart(content, selection.ranges, types[0] if types else None, boundary)
        kept = [(name, value) for name, value in kept if name.lower() != "content-type"]
        kept.append(("Content-Type", media_type(boundary)))
    kept.append(("Content-Length", str(len(body))))
    return kept, body


def range_problem(selection: Selection) -> dict[str, Any]:
    """Problem details of a 416; send it with `Content-Range: bytes */LENGTH` (15.5.17).

    >>> range_problem(Selection(Outcome.RANGE_NOT_SATISFIABLE, 10, "", ""))["length"]
    10
    """
    return {
        "type": f"{PROBLEM_TYPE}range-not-satisfiable",
        "title": "The range is not satisfiable",
        "status": 416,
        "detail": (
            f"The representation has {selection.length:,} bytes, and no range that was asked for "
            "begins within them. Ask for one that does, or leave Range out to get the whole."
        ),
        "clause": "RFC 9110 section 15.5.17",
        "field": "Range",
        "length": selection.length,
    }


_PROBLEMS = {
    Outcome.MALFORMED: ("malformed-condition", "The condition is malformed"),
    Outcome.PRECONDITION_FAILED: ("precondition-failed", "The precondition failed"),
    Outcome.PRECONDITION_REQUIRED: ("precondition-required", "A precondition is required"),
}


def problem(verdict: Verdict, current: ETag | None, **extensions: Any) -> dict[str, Any]:
    """Problem details (RFC 9457) of a refusal, with the current entity tag as `etag`.

    `verdict` is one that refuses: 400, 412 or 428. `extensions` are added as they are.

    >>> from ifmatch.core.verdict import Verdict
    >>> problem(Verdict(Outcome.PRECONDITION_REQUIRED), ETag("a"))["status"]
    428
    """
    slug, title = _PROBLEMS[verdict.outcome]
    details: dict[str, Any] = {
        "type": PROBLEM_TYPE + slug,
        "title": title,
        "status": verdict.status,
        "detail": _detail(verdict, current),
        "clause": verdict.clause,
    }
    if verdict.field is not None:
        details["field"] = verdict.field
    if verdict.malformed is not None:
        details["position"] = verdict.malformed.position
        if verdict.malformed.suggestion is not None:
            details["suggestion"] = f"{verdict.field}: {verdict.malformed.suggestion}"
    if current is not None and verdict.outcome is not Outcome.MALFORMED:
        details["etag"] = str(current)
    return details | extensions


def _detail(verdict: Verdict, current: ETag | None) -> str:
    if verdict.malformed is not None:
        return f"Nothing was changed. {verdict.malformed}"
    if verdict.outcome is Outcome.PRECONDITION_REQUIRED:
        return (
            "A change here must say which state it was made on. Nothing was changed. Read the "
            "resource, and send its ETag as If-Match; to create it, send If-None-Match: *."
        )
    if verdict.field == "If-None-Match":
        return (
            "It exists already. Nothing was changed. To change it, read it and send its ETag "
            "as If-Match."
        )
    if verdict.field == "If-Unmodified-Since":
        return (
            "It was changed after the date you sent. Nothing was overwritten. Read it again, and "
            "make your change anew."
        )
    if current is None:
        return (
            "There is nothing here to change. To create it, send If-None-Match: * "
            "instead of If-Match."
        )
    return (
        "It was changed since you read it. Nothing was overwritten. Read it again, make your "
        f"change anew, and send If-Match: {current}"
    )

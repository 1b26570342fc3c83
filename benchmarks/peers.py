"""What others do between the text of If-None-Match and the decision: how long, and how right.

Each peer is asked in its own public way, with the request and the current tag in hand. What the
timed statement includes stands beside it; what is in hand before is made once.

    falcon      parses; the loop over `req.if_none_match` is the one in its documentation. What was
                parsed is kept on the request, so each turn needs a new one: a line shows how much
                of the time that is
    werkzeug    `is_resource_modified`, on the WSGI environment
    Django      `get_conditional_response`, on a request; it makes the answer with the decision
    WebOb       `in request.if_none_match`; and `Response.conditional_response_app`, which makes the
                answer with the decision
    tornado     `RequestHandler.check_etag_header`, on a handler whose ETag field is set
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any
from wsgiref.util import setup_testing_defaults

from benchmarks.core import NINE, OPAQUE, STATE, equality, fresh
from benchmarks.probes import MODIFIED, PROBES, Fields, Probe
from benchmarks.rounds import Line, Work, compare
from ifmatch import Conditions, ETag, Validators, evaluate

TAG = f'W/"{OPAQUE}"'
VALUES = {
    "one exact tag": TAG,
    "three tags": f'W/"fedcba9876543210", W/"00000000deadbeef", {TAG}',
}


def environ(method: str, fields: Fields) -> dict[str, Any]:
    """A WSGI environment; lines of one name joined by a comma, as servers do."""
    made: dict[str, Any] = {"REQUEST_METHOD": method}
    setup_testing_defaults(made)
    for name, value in fields:
        key = "HTTP_" + name.upper().replace("-", "_")
        made[key] = f"{made[key]},{value}" if key in made else value
    return made


# -- how long ---------------------------------------------------------------------------------


def lines() -> Iterator[Line]:
    """Ours and theirs as ratios to the same `==`; no limits."""
    equals = equality()
    for value_name, value in VALUES.items():
        for name, work in works(fresh(value)):
            yield compare(f"{value_name}: {name} / ==", work, equals)


def works(value: str) -> Iterator[tuple[str, Work]]:
    """Each way from a GET with that If-None-Match to 304; it is tried before it is timed."""
    yield from _ours(value)
    yield from _falcon(value)
    yield from _werkzeug(value)
    yield from _django(value)
    yield from _webob(value)
    yield from _tornado(value)


def _ours(value: str) -> Iterator[tuple[str, Work]]:
    raw = [(b"if-none-match", value.encode())]
    names: dict[str, object] = {"evaluate": evaluate, "Conditions": Conditions, "current": STATE}
    text = "evaluate('GET', Conditions(None, value), current)"
    yield "ifmatch, from the text", Work(text, **names, value=value)
    fields = "evaluate('GET', Conditions.from_raw(fields), current)"
    yield "ifmatch, from ten ASGI lines", Work(fields, **names, fields=[*NINE, *raw])
    names |= {"Validators": Validators, "ETag": ETag, "opaque": fresh(OPAQUE)}
    made = fields.replace("current", "Validators(ETag(opaque, True))")
    yield "ifmatch, the same, and the tag made", Work(made, **names, fields=[*NINE, *raw])
    assert evaluate("GET", Conditions.from_raw(raw), STATE).status == 304


def _falcon(value: str) -> Iterator[tuple[str, Work]]:
    import falcon

    given = environ("GET", [("If-None-Match", value)])
    tag = falcon.ETag.loads(TAG)
    names = {"Request": falcon.Request, "environ": given, "current": tag}
    yield "falcon, Request() alone", Work("Request(environ)", **names)
    loop = (
        "for tag in Request(environ).if_none_match or []:\n"
        "    if tag == '*' or tag == current: break"
    )
    yield "falcon, Request().if_none_match and its loop", Work(loop, **names)
    assert tag in falcon.Request(given).if_none_match


def _werkzeug(value: str) -> Iterator[tuple[str, Work]]:
    from werkzeug.http import is_resource_modified

    given = environ("GET", [("If-None-Match", value)])
    names = {"is_resource_modified": is_resource_modified, "environ": given, "tag": fresh(TAG)}
    yield "werkzeug, is_resource_modified", Work("is_resource_modified(environ, tag)", **names)
    assert not is_resource_modified(given, TAG)


def _django(value: str) -> Iterator[tuple[str, Work]]:
    _configure_django()
    from django.core.handlers.wsgi import WSGIRequest
    from django.utils.cache import get_conditional_response

    request = WSGIRequest(environ("GET", [("If-None-Match", value)]))
    names = {"judge": get_conditional_response, "request": request, "tag": fresh(TAG)}
    yield "Django, get_conditional_response", Work("judge(request, tag)", **names)
    assert get_conditional_response(request, TAG).status_code == 304


def _webob(value: str) -> Iterator[tuple[str, Work]]:
    from webob import Request, Response

    given = environ("GET", [("If-None-Match", value)])
    request, response = Request(given), Response(etag=(OPAQUE, False))
    opaque = fresh(OPAQUE)
    matcher = Work("opaque in request.if_none_match", request=request, opaque=opaque)
    yield "WebOb, in request.if_none_match", matcher
    answer = "response.conditional_response_app(environ, start)"
    names = {"response": response, "environ": given, "start": lambda status, fields: None}
    yield "WebOb, Response.conditional_response_app", Work(answer, **names)
    assert opaque in request.if_none_match
    assert _webob_status(response, given) == 304


def _tornado(value: str) -> Iterator[tuple[str, Work]]:
    handler = _tornado_handler("GET", [("If-None-Match", value)])
    handler.set_header("ETag", TAG)
    check = Work("handler.check_etag_header()", handler=handler)
    yield "tornado, check_etag_header", check
    assert handler.check_etag_header()


def _configure_django() -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure(LOGGING_CONFIG=None)
        logging.getLogger("django.request").setLevel(logging.CRITICAL)  # it logs each 412


class _Connection:
    """What a handler asks of a connection before it answers."""

    def set_close_callback(self, callback: object) -> None:
        pass


def _tornado_handler(method: str, fields: Fields) -> Any:
    from tornado.httputil import HTTPHeaders, HTTPServerRequest
    from tornado.web import Application, RequestHandler

    headers = HTTPHeaders()
    for name, value in fields:
        headers.add(name, value)
    connection: Any = _Connection()
    request = HTTPServerRequest(method, "/", headers=headers, connection=connection)
    return RequestHandler(Application(), request)


# -- how right --------------------------------------------------------------------------------

Judge = Callable[[Probe], int]


def judge_ifmatch(probe: Probe) -> int:
    """Ours."""
    etag = None if probe.etag is None else ETag.parse(probe.etag)
    current = None if etag is None else Validators(etag, MODIFIED)
    return evaluate(probe.method, Conditions.from_fields(probe.fields), current).status or 200


def judge_falcon(probe: Probe) -> int:
    """It parses and leaves the decision to a loop, which is that of its documentation."""
    import falcon

    request = falcon.Request(environ(probe.method, probe.fields))
    current = falcon.ETag.loads(probe.etag or "")
    if (asked := request.if_match) is not None:
        held = any(tag == "*" or tag.strong_compare(current) for tag in asked)
        return 200 if held else 412
    return 304 if any(tag in ("*", current) for tag in request.if_none_match or []) else 200


def judge_werkzeug(probe: Probe) -> int:
    """`is_resource_modified`, read on a write as `Response.make_conditional` reads it on GET."""
    from werkzeug.http import is_resource_modified, parse_etags

    given = environ(probe.method, probe.fields)
    modified = datetime.datetime.fromtimestamp(MODIFIED, datetime.UTC)
    if is_resource_modified(given, probe.etag, last_modified=modified):
        return 200
    guarded = probe.method not in ("GET", "HEAD") or parse_etags(given.get("HTTP_IF_MATCH"))
    return 412 if guarded else 304


def judge_django(probe: Probe) -> int:
    """`get_conditional_response`, which judges all of them."""
    _configure_django()
    from django.core.handlers.wsgi import WSGIRequest
    from django.http import HttpResponse
    from django.utils.cache import get_conditional_response

    request = WSGIRequest(environ(probe.method, probe.fields))
    modified = None if probe.etag is None else MODIFIED
    answer = get_conditional_response(request, probe.etag, modified, HttpResponse())
    return int(answer.status_code)


def judge_webob(probe: Probe) -> int:
    """A conditional response on GET and HEAD; on a write the request's matcher."""
    from webob import Request, Response

    given = environ(probe.method, probe.fields)
    response = Response(last_modified=datetime.datetime.fromtimestamp(MODIFIED, datetime.UTC))
    if probe.etag is not None:
        response.headers["ETag"] = probe.etag
    if probe.method in ("GET", "HEAD"):
        return _webob_status(response, given)
    return 200 if response.etag_strong in Request(given).if_match else 412


def _webob_status(response: Any, given: dict[str, Any]) -> int:
    statuses: list[str] = []
    response.conditional_response_app(given, lambda status, fields: statuses.append(status))
    return int(statuses[0].partition(" ")[0])


def judge_tornado(probe: Probe) -> int:
    """`check_etag_header`, as it is called when an answer to GET or HEAD is finished."""
    handler = _tornado_handler(probe.method, probe.fields)
    handler.set_header("ETag", probe.etag)
    return 304 if handler.check_etag_header() else 200


# What each judges at all, in its documentation's words and its own public names.
JUDGES: dict[str, tuple[Judge, str]] = {
    "ifmatch": (judge_ifmatch, "read date write create since absent"),
    "django": (judge_django, "read date write create since absent"),
    "werkzeug": (judge_werkzeug, "read date write create"),
    "webob": (judge_webob, "read date write"),
    "falcon": (judge_falcon, "read write"),
    "tornado": (judge_tornado, "read"),
}


@dataclass(frozen=True)
class Marks:
    """How one evaluator answered: for each probe "right", what it said instead, or "-"."""

    name: str
    version: str
    answers: dict[str, str]

    @property
    def right(self) -> int:
        return sum(answer == "right" for answer in self.answers.values())

    @property
    def asked(self) -> int:
        return sum(answer != "-" for answer in self.answers.values())


def marks() -> list[Marks]:
    """All the probes, put to everybody who judges what they need."""
    found = []
    for name, (judge, judged) in JUDGES.items():
        answers = {probe.about: _answer(judge, judged.split(), probe) for probe in PROBES}
        found.append(Marks(name, metadata.version(name), answers))
    return found


def _answer(judge: Judge, judged: list[str], probe: Probe) -> str:
    if not probe.needs.issubset(judged):
        return "-"
    try:
        status = judge(probe)
    except Exception as error:  # noqa: BLE001 - whatever they raise is an answer
        return type(error).__name__
    return "right" if status in probe.right else str(status)


def table(found: list[Marks]) -> str:
    """A row for each probe, a column for each evaluator."""
    width = max(len(probe.about) for probe in PROBES)
    columns = [max(len(mark.name), 8) for mark in found]

    def row(first: str, cells: list[str]) -> str:
        padded = [f"{cell:<{size}}" for cell, size in zip(cells, columns, strict=True)]
        return f"{first:<{width}}  {'  '.join(padded)}".rstrip()

    rows = [row("probe", [mark.name for mark in found])]
    rows.append(row("", [mark.version for mark in found]))
    rows += [row(p.about, [mark.answers[p.about] for mark in found]) for p in PROBES]
    rows.append(row(f"right of {len(PROBES)}", [str(mark.right) for mark in found]))
    rows.append(row("of these asked", [str(mark.asked) for mark in found]))
    return "\n".join(rows)

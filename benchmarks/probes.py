"""Questions about conditional requests that RFC 9110 answers, to be put to any evaluator.

A probe is a request on a current representation, and the statuses that are right; 200 stands for
"the method is performed". `needs` names what an evaluator must judge to be asked at all:

    read      If-None-Match on GET and HEAD            13.1.2
    date      If-Modified-Since on GET                 13.1.3
    write     If-Match on a writing method             13.1.1
    create    If-None-Match on a writing method        13.1.2
    since     If-Unmodified-Since on a writing method  13.1.4
    absent    that the resource has no representation  13.1.1

What is malformed the RFC leaves open. Two probes go by our reading: it is never taken for a match.
"""

from __future__ import annotations

from typing import NamedTuple

MODIFIED = 784_111_777
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sat, 29 Oct 1994 19:43:31 GMT"

M, N = "If-Match", "If-None-Match"
IMS, IUS = "If-Modified-Since", "If-Unmodified-Since"

Fields = list[tuple[str, str]]


class Probe(NamedTuple):
    """One question; `etag` is the current one, None where there is no representation."""

    about: str
    needs: frozenset[str]
    method: str
    fields: Fields
    etag: str | None
    right: frozenset[int]


def _probe(
    about: str, needs: str, method: str, fields: Fields, etag: str | None, *right: int
) -> Probe:
    return Probe(about, frozenset(needs.split()), method, fields, etag, frozenset(right))


A = '"xyzzy"'

PROBES = [
    _probe("a list, the third matches", "read", "GET", [(N, '"a", "b", "xyzzy"')], A, 304),
    _probe("W/ asked of a strong tag", "read", "GET", [(N, 'W/"xyzzy"')], A, 304),
    _probe("strong asked of a weak tag", "read", "GET", [(N, A)], 'W/"xyzzy"', 304),
    _probe("two lines, the second matches", "read", "GET", [(N, '"a"'), (N, A)], A, 304),
    _probe("a comma in the tag", "read", "GET", [(N, '"a,b"')], '"a,b"', 304),
    _probe("a comma in another tag", "read", "GET", [(N, '"a,xyzzy"')], A, 200),
    _probe("a tag beside one with a comma", "read", "GET", [(N, f'"a,b", {A}')], A, 304),
    _probe("* where something is", "read", "GET", [(N, "*")], A, 304),
    _probe("white space and empty members", "read", "GET", [(N, f',"a" \t, , {A} ,')], A, 304),
    _probe("obs-text", "read", "GET", [(N, '"caf\xe9"')], '"caf\xe9"', 304),
    _probe("an empty opaque part", "read", "GET", [(N, '""')], '""', 304),
    _probe("a tag that begins with W/", "read", "GET", [(N, '"W/a"')], '"a"', 200),
    _probe("no quotation marks (open)", "read", "GET", [(N, "xyzzy")], A, 200),
    _probe("HEAD", "read", "HEAD", [(N, A)], A, 304),
    _probe("a tag says more than a date", "read date", "GET", [(N, '"a"'), (IMS, SAME)], A, 200),
    _probe("a date", "date", "GET", [(IMS, SAME)], A, 304),
    _probe("If-None-Match on PUT: 412, not 304", "create", "PUT", [(N, A)], A, 412),
    _probe("create only, something is there", "create", "PUT", [(N, "*")], A, 412),
    _probe("If-Match, a list", "write", "PUT", [(M, f'"a", {A}')], A, 200),
    _probe("If-Match, W/ asked of a strong tag", "write", "PUT", [(M, 'W/"xyzzy"')], A, 412),
    _probe("If-Match, weak on both sides", "write", "PUT", [(M, 'W/"x"')], 'W/"x"', 412),
    _probe("If-Match: *, nothing is there", "write absent", "PUT", [(M, "*")], None, 412),
    _probe("If-Match, no quotation marks (open)", "write", "PUT", [(M, "xyzzy")], A, 400, 412),
    _probe("If-Match before a date", "write since", "PUT", [(M, A), (IUS, BEFORE)], A, 200),
    _probe("If-Unmodified-Since, modified", "since", "PUT", [(IUS, BEFORE)], A, 412),
]

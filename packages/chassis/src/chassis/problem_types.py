"""The types of problem that there are, as a table: each has a page for people.

A problem's `type` is stable: programs look at it. Its page, which the answer links to, says what it
means, what to do, and which members it has. A product brings a table of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ifmatch.core.reply import PROBLEM_TYPE


@dataclass(frozen=True)
class ProblemType:
    """One type: `slug` names it in the URN, `statuses` are those that it is sent with.

    `meaning` and `remedy` are sentences for people. `members` are those beside the ones of RFC
    9457, each with what it says and an example. `detail` is that of the example.
    """

    slug: str
    statuses: tuple[int, ...]
    meaning: str
    remedy: str
    detail: str
    members: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    title: str = ""

    def __post_init__(self) -> None:
        """Derive the title from the slug where none is given."""
        if not self.title:
            object.__setattr__(self, "title", self.slug.replace("-", " ").capitalize())

    @property
    def urn(self) -> str:
        """The `type` of such a problem."""
        return PROBLEM_TYPE + self.slug

    @property
    def shown_statuses(self) -> str:
        """For people: `400` or `400, 413`."""
        return ", ".join(str(status) for status in self.statuses)

    @property
    def example(self) -> str:
        """Problem details of this type, as JSON."""
        shown = {
            "type": self.urn,
            "title": self.title,
            "status": self.statuses[0],
            "detail": self.detail,
        }
        shown |= {name: example for name, (_, example) in self.members.items()}
        return json.dumps(shown, indent=2, ensure_ascii=False)


class BringsProblems(Protocol):
    """What a product is to its problems."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def problems(self) -> Sequence[ProblemType]: ...


def types_of(products: Iterable[BringsProblems]) -> dict[str, ProblemType]:
    """All types by slug, in the order of status and slug.

    Raises ValueError where two are of one slug and not the same: one page cannot say both.
    """
    found = {one.slug: one for one in TYPES}
    for product in products:
        for one in product.problems:
            if found.setdefault(one.slug, one) != one:
                raise ValueError(
                    f"The problem {one.slug} of {product.name} is another one's already. Rename it."
                )
    return {one.slug: one for one in by_status(found.values())}


def by_status(types: Iterable[ProblemType]) -> list[ProblemType]:
    """In the order in which people look for them."""
    return sorted(types, key=lambda one: (one.statuses, one.slug))


_ERRORS = (
    "the places that are not accepted, up to twenty: `pointer` into the body, or `in` and `name`, "
    "and `detail`"
)
_NUMBER = ("the number of the request, which the log has, too", "9f2c41d07b-1a")
_ETAG = ("the tag of what is there now", 'W/"9f86d081884c7d65"')

TYPES: tuple[ProblemType, ...] = (
    ProblemType(
        "malformed-condition",
        (400,),
        "If-Match or If-None-Match does not fit its grammar. Nothing was changed: a condition that "
        "is not understood is no permission to write.",
        "Send the tag exactly as the ETag field gave it, with its quotes and a leading W/.",
        "If-Match is malformed at position 0: an entity tag is in quotes.",
        {
            "field": ("the field that is malformed", "If-Match"),
            "position": ("where in its value, from 0", 0),
            "suggestion": ("the corrected field, where one can be guessed", 'If-Match: "9f86d081"'),
            "clause": ("where the grammar is", "RFC 9110 section 8.8.3"),
        },
        "The condition is malformed",
    ),
    ProblemType(
        "two-keys",
        (400,),
        "Authorization and X-API-Key carry different keys.",
        "Send one of them.",
        "Authorization and X-API-Key carry different keys. Send one of them.",
    ),
    ProblemType(
        "bad-request",
        (400,),
        "The request could not be understood: it is no HTTP, or its form is not what it says.",
        "Correct it and send it again.",
        "The request could not be understood. Correct it and send it again.",
    ),
    ProblemType(
        "bad-form",
        (400,),
        "A form of our pages was sent in a way that cannot be read.",
        "Send it as UTF-8, URL-encoded, with at most ten fields, as browsers do.",
        "The form cannot be read. Send it as UTF-8.",
    ),
    ProblemType(
        "not-authenticated",
        (401,),
        "No key that is valid here came with the request. None, unknown, malformed, expired and "
        "revoked keys get the same answer, so that it tells a guesser nothing.",
        "Send a valid key as 'Authorization: Bearer <key>' or 'X-API-Key: <key>', or sign in.",
        "No key that is valid here came with the request. Send one as 'Authorization: Bearer "
        "<key>' or 'X-API-Key: <key>', or sign in.",
    ),
    ProblemType(
        "cross-site-request",
        (403,),
        "A change came with the cookie of a signed-in browser, but not from our own pages. Another "
        "site may have made the browser send it.",
        "Repeat it on our own page; programs send a key in place of the cookie. Behind a proxy, "
        "PUBLIC_URL has to be the address in the browser's bar.",
        "A change with the session's cookie has to come from our own pages. Repeat it there, or "
        "send a key as 'Authorization: Bearer <key>' in place of the cookie.",
    ),
    ProblemType(
        "role-too-low",
        (403,),
        "The key is valid, but its role may not do this.",
        "Use a key with the role that 'needed' names, or ask an administrator for one.",
        "This needs a key with the role write; yours has read. Ask an administrator for one.",
        {"needed": ("the role that would do", "write")},
    ),
    ProblemType(
        "wrong-product",
        (403,),
        "The key is valid, but for another product of this server.",
        "Use one for this product, or one that is for all.",
        "This key is for cronping. Use one for flagbit.",
    ),
    ProblemType(
        "key-too-wide",
        (403,),
        "A key makes no other that reaches further than itself.",
        "Make a narrower one, or ask an administrator.",
        "Your key is for the environment staging, and the new one would be valid elsewhere, too.",
    ),
    ProblemType(
        "not-found",
        (404,),
        "Nothing is at this address, or not any more.",
        "Check the path, and the slash at its end. Lists name what there is.",
        "There is nothing at this address. Check the path.",
    ),
    ProblemType(
        "key-not-found",
        (404,),
        "There is no such API key, or not for who asks.",
        "List the keys.",
        "There is no such key. GET /flagbit/api/v1/keys lists them.",
    ),
    ProblemType(
        "method-not-allowed",
        (405,),
        "The address is there, but does not take this method.",
        "Use one of those in Allow, which names all that the address takes.",
        "This address does not take that method. See the Allow field.",
    ),
    ProblemType(
        "own-key",
        (409,),
        "A key does not revoke itself: that could lock everybody out.",
        "Revoke it with another admin key.",
        "This is the key of this request; revoking it could lock everybody out. Revoke it with "
        "another admin key.",
    ),
    ProblemType(
        "not-rotatable",
        (409,),
        "The key is over, or its successor is in use already, or QUARTET_ADMIN_KEY sets it.",
        "Rotate the successor, make a new key, or set another one in the environment.",
        "The key key_Xy12AbCd34 was rotated already, and its successor key_Zz98YxWv76 is in use. "
        "Rotate that one. Nothing was changed.",
    ),
    ProblemType(
        "last-admin",
        (409,),
        "The last key that may do everything is not revoked over HTTP.",
        "Make another one first, or revoke it on the machine.",
        "This is the last key that may do everything. Nothing was changed. Make another one first: "
        "quartet keys create --role admin.",
    ),
    ProblemType(
        "precondition-failed",
        (412,),
        "What is there is not what the condition named: somebody else's change came first, or it "
        "exists already. Nothing was changed, and nobody's change was lost.",
        "Read it again, make your change on what is there now, and send it with its new tag.",
        "The resource is not in the state that If-Match names. Get it again, and make the change "
        "anew with If-Match and its present tag.",
        {
            "field": ("the condition that did not hold", "If-Match"),
            "etag": _ETAG,
            "last_change": (
                "whose change came first and when, where that is kept",
                {"by": "Ada", "at": "2026-11-25T09:00:00.000Z", "action": "changed"},
            ),
            "clause": ("the rule behind it", "RFC 9110 section 13.1.1"),
        },
        "The precondition failed",
    ),
    ProblemType(
        "content-too-large",
        (413,),
        "The content is longer than the address takes. It was not read to its end.",
        "Send less; the detail says how much is taken.",
        "The content is too long. Send at most 1,048,576 bytes.",
    ),
    ProblemType(
        "unsupported-media-type",
        (415,),
        "The content is of a type that the address does not understand.",
        "Send it as the detail and the Accept field of the answer say.",
        "The content is text/plain. Send Content-Type: application/json",
    ),
    ProblemType(
        "malformed-json",
        (422,),
        "The body is no JSON, or JSON that two readers could read in two ways. Nothing was "
        "changed.",
        "Correct it at the line and column that are named, and send it again.",
        "The body is not JSON: Expecting value at line 2, column 10. Nothing was changed. Correct "
        "it there and send the request again.",
        {
            "line": ("the line, from 1; left out where the place is not known", 2),
            "column": ("the column, from 1; left out likewise", 10),
        },
        "Malformed JSON",
    ),
    ProblemType(
        "validation-failed",
        (422,),
        "The request was read, but some of it is not accepted. Nothing was changed.",
        "Correct what 'errors' names and send the request again.",
        "Not accepted: /rules/0/op, limit. Nothing was changed. Correct what 'errors' names and "
        "send the request again.",
        {
            "errors": (
                _ERRORS,
                [
                    {"pointer": "/rules/0/op", "detail": "It should be 'in' or 'not_in'."},
                    {"in": "query", "name": "limit", "detail": "It should be at most 100."},
                ],
            ),
            "more": ("how many there are beyond those; left out where there are none", 3),
        },
    ),
    ProblemType(
        "malformed-key",
        (422,),
        "No resource can have this key.",
        "Use 1 to 128 letters, digits, '.', '_' and '-', and not '.' or '..'.",
        "The flag 'a b' cannot be a key. Use 1 to 128 letters, digits, '.', '_' and '-', and not "
        "'.' or '..'.",
        {"errors": (_ERRORS, [{"pointer": "/flag", "detail": "Use letters, digits, …"}])},
    ),
    ProblemType(
        "key-mismatch",
        (422,),
        "The content names another resource than the path, and keys never change.",
        "Leave the key out of the content, or send both the same.",
        "The content is of 'light-mode', the path of 'dark-mode'; keys never change. Leave the key "
        "out, or send both the same.",
        {"errors": (_ERRORS, [{"pointer": "/key", "detail": "Send 'dark-mode' or leave it out."}])},
    ),
    ProblemType(
        "read-only-member",
        (422,),
        "A PATCH changes what only the server sets.",
        "Leave those members out of the patch.",
        "The patch changes what the server sets. Nothing was changed. Leave it out.",
        {"errors": (_ERRORS, [{"pointer": "/created", "detail": "The server sets this. …"}])},
    ),
    ProblemType(
        "precondition-required",
        (428,),
        "A change has to say which state it was made on, so that it overwrites nobody's.",
        "Read the resource, and send its ETag as If-Match; to create it, send If-None-Match: *.",
        "This request must say which state it was made on. Send If-Match with the tag of what you "
        "read, or If-None-Match: * to create.",
        {
            "field": ("the condition that is missing", "If-Match"),
            "etag": _ETAG,
            "clause": ("the rule behind it", "RFC 6585 section 3"),
        },
        "A precondition is required",
    ),
    ProblemType(
        "too-many-requests",
        (429,),
        "That was too often, or there is no room for more just now.",
        "Wait as long as Retry-After says, then send it again; make fewer requests, and poll with "
        "If-None-Match.",
        "That was too often. Wait a second, then send it again.",
        {"retry_after": ("the seconds to wait, where it is known", 1)},
    ),
    ProblemType(
        "fields-too-large",
        (431,),
        "The first line and the fields of the request are longer than the server reads.",
        "Send fewer or shorter fields; a list of tags may be left out, or be cut.",
        "The fields of the request are too long. Send at most 131,072 bytes of them.",
    ),
    ProblemType(
        "internal-error",
        (500,),
        "Something went wrong in the server that nobody foresaw. It is not the caller's fault.",
        "Try again; if it stays, report the number of the request, which the log has, too.",
        "Something went wrong here, and it is not your fault. Try again; if it stays, report "
        "request 9f2c41d07b-1a.",
        {"request": _NUMBER},
    ),
    ProblemType(
        "database-unavailable",
        (503,),
        "The database did not answer, or was too busy. If the request was a change, it is not "
        "known whether it was saved.",
        "Wait as long as Retry-After says. Read what you changed before you change it again.",
        "The database did not answer. If this was a change, it is not known to be saved: read it "
        "again before you repeat it.",
        {"request": _NUMBER},
    ),
    ProblemType(
        "too-many-listeners",
        (503,),
        "As many event streams are open as the server keeps open at once.",
        "Close one, or try again in a minute.",
        "1000 listen already. Close a stream, or try again in a minute.",
    ),
    ProblemType(
        "not-ready",
        (503,),
        "The server runs, but cannot do its work: /readyz says so to whoever watches it.",
        "Start the database, or run the migrations; a proxy sends requests elsewhere meanwhile.",
        "Not ready: flagbit does not answer. Start the database, or run the migrations.",
        {"databases": ("what is wrong, by database", {"flagbit": "does not answer"})},
    ),
)


# -- the pages of the documentation ----------------------------------------------------------------


def markdown(one: ProblemType) -> str:
    """The page of a type."""
    lines = [
        f"# {one.title}",
        "",
        f"`{one.urn}`, status {one.shown_statuses}",
        "",
        one.meaning,
        "",
        f"**What to do:** {one.remedy}",
        "",
    ]
    if one.members:
        lines += ["| member | what it says |", "|---|---|"]
        lines += [f"| `{name}` | {said} |" for name, (said, _) in one.members.items()]
        lines.append("")
    lines += ["```json", one.example, "```", "", "[All problems](../reference/problems.md)", ""]
    return "\n".join(lines)


def table(types: Iterable[ProblemType]) -> list[str]:
    """The lines of a table of types, each with a link to its page, by status."""
    lines = ["| type (`urn:ifmatch:problem:…`) | status | members | when |", "|---|---|---|---|"]
    for one in by_status(types):
        members = ", ".join(f"`{name}`" for name in one.members)
        when = one.meaning.partition(". ")[0].rstrip(".")
        page = f"[`{one.slug}`](../problems/{one.slug}.md)"
        lines.append(f"| {page} | {one.shown_statuses} | {members} | {when} |")
    return lines

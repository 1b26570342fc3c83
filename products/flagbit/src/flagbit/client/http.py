"""The API's requests and answers: one method for each, and each way it can fail said in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from flagbit.client.changes import Document
from flagbit.client.failures import BadInput, Failure, NotFound

if TYPE_CHECKING:
    import httpx

API = "/api/v1"
PAGE = 500
_KEY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}")
_PROBLEM = "urn:ifmatch:problem:"


class LostAnswer(Exception):
    """A write was sent, and no answer says whether it was done."""


@dataclass(frozen=True, slots=True)
class Place:
    """A flag, or what it does in one environment."""

    flag: str
    environment: str | None = None

    @property
    def kind(self) -> str:
        return "flag" if self.environment is None else "state"

    @property
    def path(self) -> str:
        path = f"/flags/{segment('flag', self.flag)}"
        if self.environment is not None:
            path += f"/environments/{segment('environment', self.environment)}"
        return path

    def __str__(self) -> str:
        return self.flag if self.environment is None else f"{self.flag} in {self.environment}"


@dataclass(frozen=True, slots=True)
class Read:
    """A document and the tag it came with."""

    document: Document
    tag: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The refusal of a write: its tag is not the present one. Says who changed it last."""

    last: Mapping[str, Any] | None = None


def segment(what: str, key: str) -> str:
    """A key as a part of a path; raises BadInput for what no key can be."""
    if not _KEY.fullmatch(key):
        raise BadInput(
            f"{key!r} cannot be the key of a{'n' * (what[0] in 'aeiou')} {what}.",
            "Use 1 to 128 letters, digits, '.', '_' and '-'.",
        )
    return quote(key, safe="")


def address(url: str) -> str:
    """The API's address under that of FlagBit; raises BadInput."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise BadInput(
            f"{url!r} is not where FlagBit can be.",
            "Give --url or FLAGBIT_URL as in http://127.0.0.1:8000/flagbit.",
        )
    if parts.username is not None:
        raise BadInput(
            "The address holds a user or a password.", "Take it out; the key is sent as a field."
        )
    return url.rstrip("/") + API


class Api:
    """FlagBit at `url`. `transport` is httpx's, for tests."""

    def __init__(
        self,
        url: str,
        key: str,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        import httpx

        self.url = url
        self._http = httpx.Client(
            base_url=address(url),
            headers={"Authorization": f"Bearer {key}", "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    # -- what is there -------------------------------------------------------------------------

    def read(self, path: str) -> Read:
        """One resource, past all caches."""
        answer = self._get(path)
        tag = answer.headers.get("etag")
        if tag is None or not tag.isascii():
            raise Failure(
                "The answer carries no ETag that can be sent back, so no change can be guarded.",
                "See whether a proxy before the server takes the field away.",
            )
        return Read(self._object(answer), tag)

    def items(
        self, path: str, query: Mapping[str, str] | None = None, limit: int | None = None
    ) -> Iterator[Document]:
        """The items of a list, page after page."""
        asked = {**(query or {}), "limit": str(min(limit or PAGE, PAGE))}
        while True:
            page = self._object(self._get(path, asked))
            found = page.get("items")
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                raise self._not_ours("its list has no items")
            yield from found
            if page.get("next") is None:
                return
            asked["cursor"] = str(page["next"])

    def history(self, place: Place, limit: int | None = None) -> Iterator[Document]:
        """The changes of one resource, the newest first."""
        query = {"flag": place.flag}
        if place.environment is not None:
            query["environment"] = place.environment
        for entry in self.items("/audit", query, limit):
            if entry.get("kind") == place.kind:
                yield entry

    # -- writing -------------------------------------------------------------------------------

    def write(
        self, path: str, document: Document | None, condition: Mapping[str, str]
    ) -> Read | Stale:
        """PUT the document, or DELETE where it is None; raises LostAnswer where nobody knows."""
        import httpx

        method = "DELETE" if document is None else "PUT"
        fields = dict(condition)
        content = None
        if document is not None:
            content = json.dumps(document).encode()
            fields["Content-Type"] = "application/json"
        try:
            answer = self._send(method, path, content=content, headers=fields)
        except httpx.RequestError as error:
            raise LostAnswer(f"the answer was lost ({_reason(error)})") from error
        if answer.status_code >= 500:
            raise LostAnswer(f"the server answered {self._said(answer)}")
        if answer.status_code == 412:
            return Stale(_problem(answer).get("last_change"))
        if answer.status_code == 404 and _slug(answer).endswith("-not-found"):
            return Stale()
        if not answer.is_success:
            raise self._failure(answer)
        if document is None:
            return Read({}, "")
        try:
            return Read(self._object(answer), answer.headers.get("etag", ""))
        except Failure as failure:
            raise LostAnswer(failure.message) from failure

    # -- requests and answers ------------------------------------------------------------------

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        import httpx

        try:
            answer = self._send(
                "GET", path, params=dict(query or {}), headers={"Cache-Control": "no-cache"}
            )
        except httpx.RequestError as error:
            raise Failure(
                f"{self.url} did not answer: {_reason(error)}.",
                "Try again, with a longer --timeout if it is slow.",
            ) from error
        if not answer.is_success:
            raise self._failure(answer)
        return answer

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Errors before anything was sent are a Failure; others are the caller's to judge."""
        import httpx

        try:
            return self._http.request(method, path, **options)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.ProxyError,
            httpx.LocalProtocolError,
        ) as error:
            raise Failure(
                f"Nothing answers at {self.url}: {_reason(error)}.",
                "Start FlagBit there (flagbit serve), or name its address with --url or "
                "FLAGBIT_URL.",
            ) from error

    def _object(self, answer: httpx.Response) -> Document:
        try:
            document = answer.json()
        except (ValueError, RecursionError):
            raise self._not_ours("its answer is not JSON") from None
        if not isinstance(document, dict):
            raise self._not_ours("its answer is no JSON object")
        return document

    def _not_ours(self, why: str) -> Failure:
        return Failure(
            f"What answers at {self.url} is not FlagBit: {why}.",
            "Name FlagBit's address with --url or FLAGBIT_URL, as in "
            "http://127.0.0.1:8000/flagbit.",
        )

    def _said(self, answer: httpx.Response) -> str:
        detail = _problem(answer).get("detail")
        return f"{answer.status_code} ({detail})" if detail else str(answer.status_code)

    def _failure(self, answer: httpx.Response) -> Failure:
        status, slug = answer.status_code, _slug(answer)
        if status == 401 and slug:
            return Failure(
                f"{self.url} does not accept this key.",
                "Put a valid key into FLAGBIT_API_KEY or the --key-file. Where the server's data "
                "is, 'flagbit keys create --owner NAME' makes one.",
            )
        if status in (301, 302, 303, 307, 308):
            return self._not_ours(f"it sends on to {answer.headers.get('location')}")
        if not slug or (status == 404 and slug == "not-found"):
            return self._not_ours(f"it answers {status}")
        problem = _problem(answer)
        words = [str(problem.get("detail") or problem.get("title") or status)]
        words += [f"  {one}" for one in _errors(problem)]
        made = NotFound if status == 404 else Failure
        return made("\n".join(words), NEXT.get(slug, NEXT.get(str(status))))


NEXT = {
    "403": "Use a key with the role 'write' or 'admin'. An administrator can make one.",
    "flag-not-found": "'flagbit flags list' shows the flags.",
    "state-not-found": "'flagbit flags list' and 'flagbit environments list' show what there is.",
    "flag-archived": "'flagbit flags set KEY archived=false' takes it out of the archive.",
    "flag-in-use": "'flagbit flags set KEY archived=true' archives it.",
}
"""What to do next in the command's own words, by kind of problem or by status."""


def _problem(answer: httpx.Response) -> Document:
    """The problem details of an answer; empty where it has none."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _slug(answer: httpx.Response) -> str:
    return str(_problem(answer).get("type", "")).removeprefix(_PROBLEM)


def _errors(problem: Mapping[str, Any]) -> Iterator[str]:
    errors = problem.get("errors")
    for one in errors if isinstance(errors, list) else ():
        if isinstance(one, dict):
            yield f"{one.get('pointer') or one.get('name') or 'whole'}: {one.get('detail')}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__

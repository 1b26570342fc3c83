"""The API's requests and answers: one method for each, and each way it can fail said in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from flagbit.client.changes import Document
from flagbit.client.failures import BadInput, Failure
from flagbit.client.places import Place
from flagbit.client.refusals import refused

if TYPE_CHECKING:
    import httpx

API = "/api/v1"
PAGE = 500
_PROBLEM = "urn:ifmatch:problem:"


class LostAnswer(Exception):
    """A write was sent, and no answer says whether it was done."""


@dataclass(frozen=True, slots=True)
class Read:
    """A document and the tag it came with."""

    document: Document
    tag: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The refusal of a write: its tag is not the present one. Says who changed it last."""

    last: Mapping[str, Any] | None = None


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

    def read(self, place: Place) -> Read:
        """One resource, past all caches."""
        answer = self._get(place.path, place=place)
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
        self, place: Place, document: Document | None, condition: Mapping[str, str]
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
            answer = self._send(method, place.path, content=content, headers=fields)
        except httpx.RequestError as error:
            raise LostAnswer(f"the answer was lost ({_reason(error)})") from error
        if answer.status_code >= 500:
            raise LostAnswer(f"the server answered {self._said(answer)}")
        if answer.status_code == 412:
            return Stale(_problem(answer).get("last_change"))
        if answer.status_code == 404 and _slug(answer).endswith("-not-found"):
            return Stale()
        if not answer.is_success:
            raise self._failure(answer, place)
        if document is None:
            return Read({}, "")
        try:
            return Read(self._object(answer), answer.headers.get("etag", ""))
        except Failure as failure:
            raise LostAnswer(failure.message) from failure

    # -- requests and answers ------------------------------------------------------------------

    def _get(
        self, path: str, query: Mapping[str, str] | None = None, place: Place | None = None
    ) -> httpx.Response:
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
            raise self._failure(answer, place)
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

    def _failure(self, answer: httpx.Response, place: Place | None) -> Failure:
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
        return refused(status, slug, _problem(answer), place)


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


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__

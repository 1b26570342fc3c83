"""The reference store: a dict and a lock. What it does is what the contract says."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from secrets import randbits
from typing import Any, Generic, TypeVar

from ifmatch.core.canonical import canonical
from ifmatch.core.decide import Validators
from ifmatch.core.errors import Conflict, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import CREATE_ONLY, UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.core.tags import state_digest
from ifmatch.store.collections import FindCounter, Scopes, collection_tag
from ifmatch.store.contract import EVERYTHING, ScopeValues
from ifmatch.store.moments import Moments
from ifmatch.store.steps import drive

K = TypeVar("K", bound=Hashable)


def _columns(_key: Any, value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class MemoryStore(Generic[K]):
    """JSON values in memory, for tests and small tools; safe for any number of threads.

    Values are copied in and out, so that nobody changes what is stored but through a write. With
    `moments` they are objects, and stand for rows; its `columns` mean nothing here.
    `scopes` are those that it gives collection tags of; `columns` makes of a key and its value what
    a scope may name, which is the value's members where nothing else is said.

    >>> notes = MemoryStore[int]()
    >>> first = notes.create(1, {"title": "Tea"})
    >>> str(first.etag), first.body
    ('W/"3e77eedaff828b3d"', b'{"title":"Tea"}')
    """

    def __init__(
        self,
        *,
        strong: bool = False,
        already_applied: bool = False,
        moments: Moments | None = None,
        scopes: Iterable[Sequence[str]] = (),
        columns: Callable[[K, Any], Mapping[str, Any]] = _columns,
    ) -> None:
        self._scopes = Scopes("memory", scopes)
        self._columns = columns
        self._counts: Counter[tuple[str, str]] = Counter()
        self._incarnation = randbits(62)  # another store's counts are of other things
        self._bodies: dict[K, bytes] = {}
        self._lock = threading.Lock()
        self._strong = strong
        self._already_applied = already_applied
        self._moments = moments

    def tag(self, key: K) -> ETag | None:
        body = self._bodies.get(key)
        return None if body is None else self._tag(body)

    def validators(self, key: K) -> Validators | None:
        """The current tag as `tag` gives it, and until when it holds if nobody writes."""
        found = self.read(key)
        return None if found is None else found.validators

    def read(self, key: K) -> Representation[Any] | None:
        body = self._bodies.get(key)
        return None if body is None else self._representation(body)

    def replace(self, key: K, value: Any, guard: Guard = UNCONDITIONAL) -> Representation[Any]:
        with self._lock:
            return self._write(key, self._bodies.get(key), lambda _: value, guard, whole=True)

    def create(self, key: K, value: Any) -> Representation[Any]:
        return self.replace(key, value, CREATE_ONLY)

    def patch(
        self, key: K, change: Callable[[Any], Any], guard: Guard = UNCONDITIONAL
    ) -> Representation[Any]:
        with self._lock:
            return self._write(key, self._present(key), change, guard)

    def delete(self, key: K, guard: Guard = UNCONDITIONAL) -> None:
        with self._lock:
            tag = self._tag(self._present(key))
            verdict = guard.judge(Validators(tag))
            if not verdict.proceeds:
                raise Conflict(tag, verdict)
            self._count(key, self._bodies[key], None)
            del self._bodies[key]

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        with self._lock:
            return drive(collection_tag(self._scopes.at(scope), query=query), self._counted)

    def _counted(self, step: FindCounter) -> tuple[int, int, None]:
        return self._counts[step.scope.name, step.scope.text], self._incarnation, None

    def _count(self, key: K, before: bytes | None, after: bytes | None) -> None:
        """Raise each scope that the thing was in, and each that it is in now."""
        if not self._scopes:
            return
        rows = [self._columns(key, json.loads(body)) for body in (before, after) if body]
        self._counts.update({(one.name, one.text) for row in rows for one in self._scopes.of(row)})

    def _present(self, key: K) -> bytes:
        body = self._bodies.get(key)
        if body is None:
            raise Missing(key)
        return body

    def _write(
        self,
        key: K,
        body: bytes | None,
        change: Callable[[Any], Any],
        guard: Guard,
        *,
        whole: bool = False,
    ) -> Representation[Any]:
        tag = None if body is None else self._tag(body)
        verdict = guard.judge(None if tag is None else Validators(tag))
        excused = whole and self._already_applied and verdict.excused_when_applied
        if not verdict.proceeds and not (excused and body is not None):
            raise Conflict(tag, verdict)
        wanted = canonical(change(None if body is None else json.loads(body)))
        if wanted == body:
            return self._representation(body, changed=False)
        if not verdict.proceeds:
            raise Conflict(tag, verdict)
        self._count(key, body, wanted)
        self._bodies[key] = wanted
        return self._representation(wanted)

    def _tag(self, body: bytes) -> ETag:
        if self._moments is not None:
            return self._representation(body).etag
        return ETag(state_digest(body), weak=not self._strong)

    def _representation(self, body: bytes, *, changed: bool = True) -> Representation[Any]:
        value, digest, weak = json.loads(body), state_digest(body), not self._strong
        if self._moments is None:
            return Representation(value, body, ETag(digest, weak), changed)
        moment = self._moments.of(value)
        shown = canonical(self._moments.show(value, moment.facts))
        etag = ETag(moment.digest_of(digest), weak)
        return Representation(value, shown, etag, changed, moment.until)

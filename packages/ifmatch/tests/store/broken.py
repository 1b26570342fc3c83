"""Stores that break a promise each, as they are broken in the field; beside them a sound one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from secrets import randbits
from typing import Any

from ifmatch.core.errors import ImpossibleDeclaration, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import UNCONDITIONAL, Guard, enforce
from ifmatch.core.representation import Representation
from ifmatch.core.tags import composed_tag
from ifmatch.store.contract import EVERYTHING, ScopeValues
from ifmatch.store.memory import MemoryStore
from ifmatch.testing.store_contract import Shelf


def columns(key: Any, value: Any) -> dict[str, Any]:
    return {"owner": key[0], "title": value["title"]}


class Sound(MemoryStore[Any]):
    """In memory, and yet with other processes: copies, which share what is kept."""

    def __init__(self) -> None:
        super().__init__(scopes=[(), ("owner",), ("title",)], columns=columns)

    def again(self) -> Sound:
        return copy.copy(self)


@dataclass
class SoundShelf(Shelf):
    """Whoever writes behind this store's back is counted as everybody is."""

    def reopened(self) -> Any:
        store: Any = self.store
        return store.again()

    def behind(self) -> Any:
        return Behind(self.store)


@dataclass
class Behind:
    """Another process."""

    store: Any

    def insert(self, key: Any, value: Mapping[str, Any]) -> None:
        self.store.create(key, value)

    def update(self, key: Any, values: Mapping[str, Any]) -> None:
        self.store.patch(key, lambda value: value | dict(values))

    def delete(self, key: Any) -> None:
        self.store.delete(key)

    def move(self, key: Any, to: Any) -> None:
        self.store.create(to, self.store.read(key).value)
        self.store.delete(key)


# -- one thing ------------------------------------------------------------------------------------


class CheckThenWrite(Sound):
    """Looks, judges, and then writes."""

    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        found = self.read(key)
        enforce(guard, None if found is None else found.validators)
        return super().replace(key, value)

    def patch(
        self, key: Any, change: Callable[[Any], Any], guard: Guard = UNCONDITIONAL
    ) -> Representation[Any]:
        found = self.read(key)
        if found is None:
            raise Missing(key)
        enforce(guard, found.validators)
        made: Representation[Any] = super().replace(key, change(found.value))
        return made


class LastWriterWins(Sound):
    """Takes a guard, and forgets it."""

    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        return super().replace(key, value)


class OtherTags(Sound):
    """A tag that `_tag` says, wherever one is given."""

    def _representation(self, body: bytes, *, changed: bool = True) -> Representation[Any]:
        return replace(super()._representation(body, changed=changed), etag=self._tag(body))


class KeepsTheTag(OtherTags):
    """A tag from the first state, as one of an id or of the day of creation."""

    def _tag(self, body: bytes) -> ETag:
        return ETag("0123456789abcdef", weak=True)


class TornRead(Sound):
    """Reads the tag, and a moment later the body: here each second one is of the state before."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[Any, ETag] = {}

    def read(self, key: Any) -> Representation[Any] | None:
        found = super().read(key)
        if found is None:
            return None
        return replace(found, etag=self.last.get(key, found.etag))

    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        before = self.tag(key)
        made = super().replace(key, value, guard)
        if before is not None:
            self.last[key] = before
        return made


class CreatesTwice(Sound):
    """Create-only that looks for another content, not for another row."""

    def create(self, key: Any, value: Any) -> Any:
        return self.replace(key, value)


class DeletesAnything(Sound):
    def delete(self, key: Any, guard: Guard = UNCONDITIONAL) -> None:
        super().delete(key)


class AlwaysChanged(Sound):
    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        return replace(super().replace(key, value, guard), changed=True)


class PythonsEqual(Sound):
    """Compares values as Python does, to which 1, 1.0 and True are one."""

    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        found = self.read(key)
        if found is not None and found.value == value:
            return replace(found, changed=False)
        return super().replace(key, value, guard)


# -- collections ----------------------------------------------------------------------------------


class MissesDeletes(Sound):
    def _count(self, key: Any, before: bytes | None, after: bytes | None) -> None:
        if after is not None:
            super()._count(key, before, after)


class MissesWhatMovesOut(Sound):
    def _count(self, key: Any, before: bytes | None, after: bytes | None) -> None:
        super()._count(key, None if after else before, after)


class CountsRows(Sound):
    """`count(*)` and the newest row, which are what they were when one goes and another comes."""

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        rows = [key for key in self._bodies if scope.items() <= {"owner": key[0]}.items()]
        return composed_tag("rows", dict(scope), len(rows), query)


class CountsForAll(Sound):
    """One counter for all scopes: right, and each poller of another scope gets a 200."""

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        return composed_tag(dict(scope), str(super().collection_tag()), query)


class CountsRefusals(Sound):
    """Raised before the verdict, and not undone."""

    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        self._counts.update([("memory()", "")])
        return super().replace(key, value, guard)


class ForgetsTheQuery(Sound):
    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        return super().collection_tag(scope)


class CountsNothing(Sound):
    """Gives a tag of a scope that it has no counter for: it stays for ever."""

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        try:
            return super().collection_tag(scope, query=query)
        except ImpossibleDeclaration:
            return composed_tag(dict(scope), None, query)


# -- other processes ------------------------------------------------------------------------------


class SaltsTags(OtherTags):
    """As Python's `hash` of a string, which is another one in each process."""

    def __init__(self) -> None:
        super().__init__()
        self.salt = f"{randbits(32):08x}"

    def again(self) -> Sound:
        made = copy.copy(self)
        made.salt = f"{randbits(32):08x}"
        return made

    def _tag(self, body: bytes) -> ETag:
        return ETag(super()._tag(body).opaque[:8] + self.salt, weak=True)


class CountsAnew(Sound):
    """Keeps its counters in the process."""

    def again(self) -> Sound:
        made = copy.copy(self)
        made._counts, made._incarnation = copy.copy(made._counts), randbits(62)
        return made


class RemembersTags(Sound):
    """A cache of tags in each process, which nobody else's write voids."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[Any, ETag | None] = {}

    def again(self) -> Sound:
        made = copy.copy(self)
        made.tags = dict(self.tags)
        return made

    def tag(self, key: Any) -> ETag | None:
        return self.tags.setdefault(key, super().tag(key))

    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        made = super().replace(key, value, guard)
        self.tags[key] = made.etag
        return made


@dataclass
class Unseen(SoundShelf):
    """Who writes behind its back raises no counter: a table without triggers."""

    def behind(self) -> Any:
        store: Any = copy.copy(self.store)
        store._counts = copy.copy(store._counts)
        return Behind(store)

"""What the contract of stores is tried on: a store, and what may be done to it from outside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ifmatch.core.canonical import canonical
from ifmatch.core.conditions import Comparison
from ifmatch.core.etag import ETag
from ifmatch.core.guard import Condition, unchanged
from ifmatch.core.representation import Representation
from ifmatch.core.tags import state_tag
from ifmatch.store.contract import ScopeValues, Store

Key = tuple[str, int]

KEY: Key = ("ada", 1)
OTHER: Key = ("grace", 1)


class Behind(Protocol):
    """Somebody who writes past the store, as plain SQL does. Each call commits by itself."""

    def insert(self, key: Key, value: Mapping[str, Any]) -> None:
        """Insert the row, and nothing in it but key and value."""
        ...

    def update(self, key: Key, values: Mapping[str, Any]) -> None:
        """Set these members of the value, and nothing else."""
        ...

    def delete(self, key: Key) -> None:
        """Delete the row."""
        ...

    def move(self, key: Key, to: Key) -> None:
        """Give the row another key."""
        ...


@dataclass
class Shelf:
    """An empty store, and whether its tags are strong."""

    store: Store[Any, Any]
    strong: bool

    def unchanged(self, *tags: ETag) -> Condition:
        """The guard of If-Match with those tags, compared as the store's tags are."""
        return unchanged(*tags, comparison=Comparison.STRICT if self.strong else Comparison.STATE)

    def found(self, key: Any) -> Representation[Any]:
        """What is read there; fails where nothing is."""
        read = self.store.read(key)
        assert read is not None
        return read

    def scope(self, key: Key) -> ScopeValues:
        """The scope that a key is in."""
        return {"owner": key[0]}

    def reopened(self) -> Store[Any, Any]:
        """Another store on the same data, such as another process has, or the next one."""
        raise NotImplementedError(
            "Next: give the shelf `reopened`, or exempt the store, with the reason: "
            "class TestMyStore(StoreContract, exempt={AfterRestart: ..., TwoProcesses: ...})."
        )

    def behind(self) -> Behind:
        """Somebody who writes to the same data past the store."""
        raise NotImplementedError(
            "Next: give the shelf `behind`, or exempt the store, with the reason: "
            "class TestMyStore(StoreContract, exempt={ForeignWriters: ...})."
        )


class Synchronous:
    """An asynchronous store, each call of which `run` carries out: `asyncio.run`, say."""

    def __init__(self, store: Any, run: Callable[[Any], Any]) -> None:
        self._store = store
        self._run = run

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **named: Any) -> Any:
            made = method(*arguments, **named)
            return self._run(made) if inspect.isawaitable(made) else made

        return call


def note(title: str = "Tea", n: int = 0, data: Any = None, ratio: float = 0.5) -> dict[str, Any]:
    """A value, whole."""
    return {"title": title, "n": n, "ratio": ratio, "data": data}


def titled(title: str) -> Any:
    """A change of the title."""
    return lambda value: dict(value) | {"title": title}


def assert_is(found: Representation[Any] | None, value: Any, shelf: Shelf) -> None:
    """Value, body and tag are of one state, and that state is `value`."""
    assert found is not None
    assert {name: found.value[name] for name in value} == value
    assert found.body == canonical(value)
    assert found.etag == ETag(state_tag(value).opaque, weak=not shelf.strong)

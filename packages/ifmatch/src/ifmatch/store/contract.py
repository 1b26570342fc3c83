"""What every store promises.

- **Check and write are one step.** A guard is judged on the state that the writing statement
  replaces. Of any number of writers that name one tag, one wins; each other one gets `Conflict`,
  or `Missing` when the thing is gone. No lock is held between requests.
- **One snapshot.** The value, the body and the tag of a `Representation` are of one state; after a
  write they are of the state that the write made.
- **The commit comes first.** A method that returns has committed, unless the store was bound to a
  transaction of the caller, who then commits. A commit that fails raises.
- **Create-only rests on a unique key**, so two creators at once have one winner.
- **Nothing happens when nothing would change**: a write of what is already stored leaves the tag,
  and returns with `changed=False`. Where a store is told `already_applied`, a `replace` whose
  If-Match fails, but whose wish is already fulfilled, is no conflict (RFC 9110 section 13.1.1): it
  is most often the repeated request of a client that lost the answer, and sometimes a second
  person who wanted the same, as when two count one up. A `patch` is never excused.
- **A collection's tag follows every change** of what is stored within its scope: created, replaced,
  patched, deleted, moved in or out, by whomever. It stays while nothing is written, and an old one
  never comes back for another content. A store is told which scopes it has tags of, and gives none
  whose changes nobody counts.
- **What was promised outlives the process**: after a restart, and in another process on the same
  data, tags are the same and guards from before hold. A store that keeps nothing is exempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from ifmatch.core.etag import ETag
from ifmatch.core.guard import UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation

K = TypeVar("K", contravariant=True)
V = TypeVar("V")

ScopeValues = Mapping[str, str | int | None]
"""Which rows: those that hold these values in these columns."""

EVERYTHING: ScopeValues = MappingProxyType({})
"""The scope of all that is stored."""


class Store(Protocol[K, V]):
    """Keyed values with tags, written under guards."""

    def tag(self, key: K) -> ETag | None:
        """The current tag, without building the body; None where nothing is stored."""
        ...

    def read(self, key: K) -> Representation[V] | None:
        """Value, body and tag of one state; None where nothing is stored."""
        ...

    def replace(self, key: K, value: V, guard: Guard = UNCONDITIONAL) -> Representation[V]:
        """Store `value`, creating it where the guard allows that; raises Conflict."""
        ...

    def patch(
        self, key: K, change: Callable[[V], V], guard: Guard = UNCONDITIONAL
    ) -> Representation[V]:
        """Store what `change` makes of the current value; raises Conflict or Missing.

        `change` may be called again on a newer value when the write is unconditional and another
        writer came between; it must not have effects.
        """
        ...

    def delete(self, key: K, guard: Guard = UNCONDITIONAL) -> None:
        """Remove it; raises Conflict or Missing."""
        ...

    def create(self, key: K, value: V) -> Representation[V]:
        """Store `value` where nothing is; raises Conflict where something is."""
        ...

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        """A weak tag of all that is stored within `scope`, from one look-up that reads none of it.

        `query` is whatever else selects the answer, as JSON can say it; each has tags of its own.
        Raises ImpossibleDeclaration for a scope that the store was not told of, or that nothing
        counts the changes of.
        """
        ...


class AsyncStore(Protocol[K, V]):
    """The same promises where calls are awaited."""

    async def tag(self, key: K) -> ETag | None:
        """As `Store.tag`."""
        ...

    async def read(self, key: K) -> Representation[V] | None:
        """As `Store.read`."""
        ...

    async def replace(self, key: K, value: V, guard: Guard = UNCONDITIONAL) -> Representation[V]:
        """As `Store.replace`."""
        ...

    async def patch(
        self, key: K, change: Callable[[V], V], guard: Guard = UNCONDITIONAL
    ) -> Representation[V]:
        """As `Store.patch`."""
        ...

    async def delete(self, key: K, guard: Guard = UNCONDITIONAL) -> None:
        """As `Store.delete`."""
        ...

    async def create(self, key: K, value: V) -> Representation[V]:
        """As `Store.create`."""
        ...

    async def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        """As `Store.collection_tag`."""
        ...

"""What a store promises of the tags of collections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ifmatch.core.errors import Conflict, ImpossibleDeclaration, Missing
from ifmatch.core.etag import ETag
from ifmatch.store.contract import EVERYTHING
from ifmatch.testing.shelf import KEY, OTHER, Shelf, note, titled

UNKNOWN = ETag("0123456789abcdef", weak=True)
NEXT = ("ada", 2)


class CollectionTags:
    """One tag for all that is stored within a scope. The scopes are those of `Shelf`."""

    def test_it_stays_while_nothing_is_written(self, shelf: Shelf) -> None:
        """Reads write nothing, nor does a write of what is there, nor one that is refused."""
        store = shelf.store
        made = store.create(KEY, note("a"))
        scopes = [EVERYTHING, shelf.scope(KEY), {"title": "a"}]
        before = [store.collection_tag(scope) for scope in scopes]
        store.read(KEY)
        store.tag(KEY)
        store.replace(KEY, note("a"))
        store.replace(KEY, note("a"), shelf.unchanged(made.etag))
        store.patch(KEY, lambda value: value)
        refused: list[Callable[[], Any]] = [
            lambda: store.replace(KEY, note("b"), shelf.unchanged(UNKNOWN)),
            lambda: store.create(KEY, note("b")),
            lambda: store.delete(KEY, shelf.unchanged(UNKNOWN)),
            lambda: store.patch(NEXT, titled("b")),
        ]
        for write in refused:
            with pytest.raises((Conflict, Missing)):
                write()
        assert [store.collection_tag(scope) for scope in scopes] == before

    def test_every_write_changes_it_within_its_scope_and_in_no_other(self, shelf: Shelf) -> None:
        store = shelf.store
        store.create(OTHER, note())
        others = store.collection_tag(shelf.scope(OTHER))
        writes: list[Callable[[], Any]] = [
            lambda: store.create(KEY, note("a")),
            lambda: store.replace(NEXT, note("a")),
            lambda: store.replace(KEY, note("b")),
            lambda: store.patch(KEY, titled("c")),
            lambda: store.delete(NEXT),
            lambda: store.delete(KEY),
        ]
        for write in writes:
            before = store.collection_tag(shelf.scope(KEY)), store.collection_tag()
            write()
            assert store.collection_tag(shelf.scope(KEY)) != before[0]
            assert store.collection_tag() != before[1]
            assert store.collection_tag(shelf.scope(OTHER)) == others

    def test_what_moves_out_of_one_scope_into_another_changes_both(self, shelf: Shelf) -> None:
        store = shelf.store
        store.create(KEY, note("a"))
        moves: list[tuple[Callable[[], Any], set[str]]] = [
            (lambda: store.replace(KEY, note("b")), {"a", "b"}),
            (lambda: store.patch(KEY, titled("a")), {"a", "b"}),
            (lambda: store.patch(KEY, lambda value: dict(value) | {"n": 7}), {"a"}),
        ]
        for move, touched in moves:
            before = {title: store.collection_tag({"title": title}) for title in "abc"}
            move()
            after = {title: store.collection_tag({"title": title}) for title in "abc"}
            assert {title for title in "abc" if after[title] != before[title]} == touched

    def test_an_old_one_never_comes_back_for_another_content(self, shelf: Shelf) -> None:
        """Also not where everything was deleted meanwhile, and where the same comes again."""
        store = shelf.store
        contents: dict[ETag, set[str]] = {}

        def look() -> None:
            found = store.read(KEY)
            content = "nothing" if found is None else found.body.decode()
            contents.setdefault(store.collection_tag(shelf.scope(KEY)), set()).add(content)

        look()
        for _ in range(3):
            for title in ("a", "b", "a"):
                store.replace(KEY, note(title))
                look()
            store.delete(KEY)
            look()
            store.create(KEY, note("c"))
            look()
            store.delete(KEY)
        assert [content for content in contents.values() if len(content) > 1] == []

    def test_each_query_has_tags_of_its_own(self, shelf: Shelf) -> None:
        shelf.store.create(KEY, note())
        queries: list[Any] = [None, {}, {"page": 1}, {"page": "1"}, {"page": 2}, ["page", 1]]
        tags = [shelf.store.collection_tag(shelf.scope(KEY), query=query) for query in queries]
        assert len(set(tags)) == len(queries)
        assert all(tag.weak for tag in tags)
        one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
        assert shelf.store.collection_tag(query=one) == shelf.store.collection_tag(query=other)

    def test_a_scope_that_nobody_counts_is_refused_with_the_next_step(self, shelf: Shelf) -> None:
        """A tag that stays whatever happens would be worse than none."""
        for scope in ({"n": 0}, {"owner": "ada", "title": "a"}, {"nonsense": "x"}):
            with pytest.raises(ImpossibleDeclaration, match="Next: "):
                shelf.store.collection_tag(scope)

    def test_a_value_that_could_be_written_in_two_ways_is_no_scope(self, shelf: Shelf) -> None:
        for value in (True, 1.5, b"ada"):
            with pytest.raises(TypeError, match="as text"):
                shelf.store.collection_tag({"owner": value})  # type: ignore[dict-item]

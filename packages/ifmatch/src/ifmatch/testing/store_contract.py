"""What every store promises (`ifmatch.store.contract`), as tests: for whoever writes a store.

    from ifmatch.testing.store_contract import Shelf, StoreContract

    class MyShelf(Shelf):
        def reopened(self):
            return MyStore(...)  # on the same data, as another process has it

        def behind(self):
            return PlainSQL(...)  # insert, update, delete and move past the store

    class TestMyStore(StoreContract):
        @pytest.fixture
        def shelf(self):
            yield MyShelf(MyStore(), strong=False)

        @pytest.fixture
        def excusing(self):
            yield MyShelf(MyStore(already_applied=True), strong=False)

`shelf` is an empty store; `excusing` the same, told to let a replacement pass whose wish is
fulfilled already (RFC 9110 section 13.1.1). Keys are pairs of a string and a number. Values are
dicts of `title` (a string), `n` (an integer), `ratio` (a float) and `data` (any JSON), and are
served as they are, so that tags can be told from values. There are collection tags of all, of each
`owner`, which is the first of a key, and of each `title`: `scopes=[(), ("owner",), ("title",)]`.
An asynchronous store is handed over as `Synchronous(store, run)`. Calls come from several threads.
For good messages, put `pytest.register_assert_rewrite("ifmatch.testing")` into your conftest before
the import.

A store that cannot keep a group of promises is exempt by its name, and says why; from a single
promise, by a test that is overridden, with the reason in its docstring:

    class TestMyCache(StoreContract, exempt={AfterRestart: "It is gone with its process."}):
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import pytest

from ifmatch.core.conditions import Comparison, Conditions
from ifmatch.core.decide import Policy
from ifmatch.core.errors import Conflict, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import CREATE_ONLY, UNCONDITIONAL, Condition, unchanged
from ifmatch.core.representation import Representation
from ifmatch.core.tags import state_digest
from ifmatch.testing.collection_contract import CollectionTags
from ifmatch.testing.shelf import (
    KEY,
    OTHER,
    Behind,
    Shelf,
    Synchronous,
    assert_is,
    note,
    titled,
)
from ifmatch.testing.writers_contract import (
    AfterRestart,
    ForeignWriters,
    OneWinner,
    TwoProcesses,
)

__all__ = [
    "AfterRestart",
    "Behind",
    "CollectionTags",
    "ForeignWriters",
    "OneWinner",
    "Shelf",
    "StoreContract",
    "Synchronous",
    "TwoProcesses",
]

UNKNOWN = ETag("0123456789abcdef", weak=True)

VALUES: list[Any] = [
    *(0, 1, 1.0, 1.5, True, False, None, "1", "", [1], [1.0], [True], [], {}, {"a": 1}),
    *({"a": 1.0}, {"a": None}, -0.0, 0.0, 2**60, "\u2028 \u00e9 \U0001f375"),
]
"""Values that JSON tells apart."""


class StoreContract(OneWinner, CollectionTags, AfterRestart, TwoProcesses, ForeignWriters):
    """The promises. A subclass gives the fixtures `shelf` and `excusing`.

    `exempt` names the groups of promises that its store cannot keep, each with the reason.
    """

    exemptions: ClassVar[Mapping[type, str]] = MappingProxyType({})

    def __init_subclass__(
        cls, exempt: Mapping[type, str] = MappingProxyType({}), **more: Any
    ) -> None:
        super().__init_subclass__(**more)
        cls.exemptions = MappingProxyType({**cls.exemptions, **exempt})
        for promises, reason in exempt.items():
            if not reason.strip():
                raise TypeError(f"Next: say why {cls.__name__} is exempt from {promises.__name__}.")
            for name in vars(promises):
                if name.startswith("test_"):
                    setattr(cls, name, None)

    # -- reading -----------------------------------------------------------------------------------

    def test_where_nothing_is_there_is_neither_tag_nor_value(self, shelf: Shelf) -> None:
        assert shelf.store.tag(KEY) is None
        assert shelf.store.read(KEY) is None

    def test_what_is_read_is_what_was_written_with_its_body_and_tag(self, shelf: Shelf) -> None:
        made = shelf.store.create(KEY, note())
        assert_is(made, note(), shelf)
        assert_is(shelf.store.read(KEY), note(), shelf)
        assert shelf.store.tag(KEY) == made.etag
        assert shelf.store.read(OTHER) is None

    def test_the_tag_follows_the_state_and_comes_back_with_it(self, shelf: Shelf) -> None:
        """It is of the state, so the same state has the same tag; different ones never share it."""
        first = shelf.store.create(KEY, note("a")).etag
        second = shelf.store.replace(KEY, note("b")).etag
        third = shelf.store.replace(KEY, note("a")).etag
        assert first == third != second

    def test_what_a_caller_does_to_a_value_changes_nothing_that_is_stored(
        self, shelf: Shelf
    ) -> None:
        value = note(data={"list": [1]})
        made = shelf.store.create(KEY, value)
        value["data"]["list"].append(2)
        shelf.found(KEY).value["data"]["list"].append(3)
        assert shelf.found(KEY).value["data"] == {"list": [1]}
        assert shelf.store.tag(KEY) == made.etag

    # -- replacing ---------------------------------------------------------------------------------

    def test_an_unconditional_replace_creates_and_overwrites(self, shelf: Shelf) -> None:
        assert_is(shelf.store.replace(KEY, note("a")), note("a"), shelf)
        made = shelf.store.replace(KEY, note("b", 7, [1, {"x": None}], 1.25))
        assert_is(made, note("b", 7, [1, {"x": None}], 1.25), shelf)
        assert made.changed
        assert_is(shelf.store.read(KEY), note("b", 7, [1, {"x": None}], 1.25), shelf)

    def test_a_replace_under_the_current_tag_is_done_and_gives_the_fresh_tag(
        self, shelf: Shelf
    ) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        made = shelf.store.replace(KEY, note("b"), shelf.unchanged(old))
        assert made.etag == shelf.store.tag(KEY) != old
        assert_is(made, note("b"), shelf)

    def test_a_replace_under_an_older_tag_is_a_conflict_that_knows_the_current_one(
        self, shelf: Shelf
    ) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        now = shelf.store.replace(KEY, note("b")).etag
        with pytest.raises(Conflict) as caught:
            shelf.store.replace(KEY, note("c"), shelf.unchanged(old))
        assert caught.value.current == now
        assert caught.value.verdict.status == 412
        assert_is(shelf.store.read(KEY), note("b"), shelf)

    def test_a_replace_under_a_tag_where_nothing_is_is_a_conflict_with_no_tag(
        self, shelf: Shelf
    ) -> None:
        with pytest.raises(Conflict) as caught:
            shelf.store.replace(KEY, note(), shelf.unchanged(UNKNOWN))
        assert caught.value.current is None
        assert shelf.store.read(KEY) is None

    def test_one_of_several_tags_is_enough(self, shelf: Shelf) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        assert shelf.store.replace(KEY, note("b"), shelf.unchanged(UNKNOWN, old)).changed

    def test_strict_comparison_never_passes_a_weak_tag(self, shelf: Shelf) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        guard = unchanged(old, comparison=Comparison.STRICT)
        if shelf.strong:
            assert shelf.store.replace(KEY, note("b"), guard).changed
        else:
            with pytest.raises(Conflict):
                shelf.store.replace(KEY, note("b"), guard)

    # -- creating ----------------------------------------------------------------------------------

    def test_create_only_creates_once(self, shelf: Shelf) -> None:
        made = shelf.store.create(KEY, note("a"))
        assert made.changed
        for again in (note("a"), note("b")):  # also with the same content: 13.1.2 excuses nobody
            with pytest.raises(Conflict) as caught:
                shelf.store.create(KEY, again)
            assert caught.value.current == made.etag
            assert caught.value.verdict.field == "If-None-Match"
        assert_is(shelf.store.read(KEY), note("a"), shelf)

    def test_create_only_is_a_guard_of_replace_too(self, shelf: Shelf) -> None:
        shelf.store.replace(KEY, note("a"), CREATE_ONLY)
        with pytest.raises(Conflict):
            shelf.store.replace(KEY, note("a"), CREATE_ONLY)

    # -- patching ----------------------------------------------------------------------------------

    def test_a_patch_changes_what_it_makes_of_the_current_value(self, shelf: Shelf) -> None:
        old = shelf.store.create(KEY, note("a", 1)).etag
        more = shelf.store.patch(KEY, lambda value: dict(value) | {"n": value["n"] + 1})
        assert_is(more, note("a", 2), shelf)
        with pytest.raises(Conflict) as caught:
            shelf.store.patch(KEY, titled("b"), shelf.unchanged(old))
        assert caught.value.current == more.etag
        assert shelf.store.patch(KEY, titled("b"), shelf.unchanged(more.etag)).value["title"] == "b"

    def test_a_patch_of_nothing_is_missing(self, shelf: Shelf) -> None:
        for guard in (UNCONDITIONAL, shelf.unchanged(UNKNOWN)):
            with pytest.raises(Missing) as caught:
                shelf.store.patch(KEY, titled("b"), guard)
            assert caught.value.key == KEY

    def test_a_change_that_raises_changes_nothing(self, shelf: Shelf) -> None:
        made = shelf.store.create(KEY, note("a"))

        def change(_value: Any) -> Any:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            shelf.store.patch(KEY, change)
        assert shelf.store.tag(KEY) == made.etag
        assert shelf.store.replace(KEY, note("b")).changed  # and nothing is left locked

    # -- deleting ----------------------------------------------------------------------------------

    def test_a_delete_under_the_current_tag_is_done_and_the_next_finds_nothing(
        self, shelf: Shelf
    ) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        now = shelf.store.replace(KEY, note("b")).etag
        shelf.store.create(OTHER, note("a"))
        with pytest.raises(Conflict) as caught:
            shelf.store.delete(KEY, shelf.unchanged(old))
        assert caught.value.current == now
        shelf.store.delete(KEY, shelf.unchanged(now))
        assert shelf.store.read(KEY) is None
        with pytest.raises(Missing):
            shelf.store.delete(KEY)
        assert shelf.store.read(OTHER) is not None

    def test_what_was_deleted_can_be_created_anew(self, shelf: Shelf) -> None:
        shelf.store.create(KEY, note("a"))
        shelf.store.delete(KEY)
        assert_is(shelf.store.create(KEY, note("b")), note("b"), shelf)

    # -- what is there already ---------------------------------------------------------------------

    def test_a_write_of_what_is_there_leaves_the_tag_and_says_so(self, shelf: Shelf) -> None:
        made = shelf.store.create(KEY, note("a", data={"x": [1]}))
        for again in (
            shelf.store.replace(KEY, note("a", data={"x": [1]})),
            shelf.store.patch(KEY, lambda value: value),
            shelf.store.replace(KEY, note("a", data={"x": [1]}), shelf.unchanged(made.etag)),
        ):
            assert not again.changed
            assert (again.etag, again.body) == (made.etag, made.body)
        assert shelf.store.tag(KEY) == made.etag

    def test_a_replacement_under_an_older_tag_that_is_fulfilled_is_no_conflict(
        self, excusing: Shelf
    ) -> None:
        """13.1.1, where the store was told so: most often a client that never saw the answer."""
        old = excusing.store.create(KEY, note("a")).etag
        now = excusing.store.replace(KEY, note("b"), excusing.unchanged(old))
        again = excusing.store.replace(KEY, note("b"), excusing.unchanged(old))
        assert not again.changed
        assert (again.etag, again.body) == (now.etag, now.body)

    def test_unless_it_is_told_so_a_store_acknowledges_one_of_two_writers_of_the_same(
        self,
        shelf: Shelf,
    ) -> None:
        """Two who count one up from the same number want the same, and only one of them has it."""
        old = shelf.store.create(KEY, note("a")).etag
        shelf.store.replace(KEY, note("b"), shelf.unchanged(old))
        with pytest.raises(Conflict):
            shelf.store.replace(KEY, note("b"), shelf.unchanged(old))

    def test_a_patch_under_an_older_tag_is_a_conflict_even_if_it_is_fulfilled(
        self, excusing: Shelf
    ) -> None:
        """Two who add one to the same number want the same of it, and only one of them has it."""
        old = excusing.store.create(KEY, note(n=1)).etag
        add = lambda value: dict(value) | {"n": 2}  # noqa: E731 (what both of them worked out)
        excusing.store.patch(KEY, add, excusing.unchanged(old))
        with pytest.raises(Conflict):
            excusing.store.patch(KEY, add, excusing.unchanged(old))

    @pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
    def test_the_condition_of_another_method_than_put_is_never_excused(
        self, excusing: Shelf, method: str
    ) -> None:
        old = excusing.store.create(KEY, note("a")).etag
        excusing.store.replace(KEY, note("b"))
        as_put = excusing.unchanged(old)
        with pytest.raises(Conflict):
            excusing.store.replace(
                KEY, note("b"), Condition(method, as_put.conditions, as_put.policy)
            )
        assert not excusing.store.replace(KEY, note("b"), as_put).changed

    def test_a_malformed_condition_is_never_excused(self, excusing: Shelf) -> None:
        excusing.store.create(KEY, note("b"))
        asked = Conditions.from_fields([("If-Match", "no tag")])
        with pytest.raises(Conflict) as caught:
            excusing.store.replace(
                KEY, note("b"), Condition("PUT", asked, Policy(Comparison.STATE))
            )
        assert caught.value.verdict.status == 400

    def test_values_that_json_tells_apart_are_changes_and_have_tags_of_their_own(
        self, shelf: Shelf
    ) -> None:
        """In Python 1, 1.0 and True are equal; whoever reads the body sees that they are not."""
        tags = set()
        shelf.store.create(KEY, note(data="none of them"))
        for value in VALUES:
            made = shelf.store.replace(KEY, note(data=value))
            assert made.changed, value
            assert json.loads(made.body)["data"] == value
            assert type(shelf.found(KEY).value["data"]) is type(value)
            assert not shelf.store.replace(KEY, note(data=value)).changed
            tags.add(made.etag)
        assert len(tags) == len(VALUES)

    @pytest.mark.parametrize("ratio", [1.0, 0.0, -0.0, 1e300, 0.1, 2.0**60])
    def test_what_a_write_returns_is_what_a_read_finds_then(
        self, shelf: Shelf, ratio: float
    ) -> None:
        """SQLite's RETURNING says 1 of a column that holds 1.0, and its columns hold no -0.0."""
        writes: list[Callable[[], Representation[Any]]] = [
            lambda: shelf.store.create(KEY, note(ratio=ratio)),
            lambda: shelf.store.replace(KEY, note("b", ratio=ratio + 1)),
            lambda: shelf.store.patch(KEY, lambda value: dict(value) | {"ratio": ratio}),
        ]
        for write in writes:
            made, found = write(), shelf.found(KEY)
            assert (found.body, found.etag) == (made.body, made.etag)
            assert found.etag.opaque == state_digest(found.body)
            assert shelf.store.tag(KEY) == found.etag

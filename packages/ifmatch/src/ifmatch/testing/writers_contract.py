"""What a store promises of several writers: at once, in several processes, and behind its back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ifmatch.core.errors import Conflict, Missing
from ifmatch.core.guard import UNCONDITIONAL
from ifmatch.core.representation import Representation
from ifmatch.core.tags import state_digest
from ifmatch.store.contract import EVERYTHING
from ifmatch.testing.shelf import KEY, OTHER, Shelf, assert_is, note, titled

THREADS = 8
MEANWHILE = 0.2
"""Seconds that a writer gets while another makes up his mind, if the store lets him."""


def all_at_once(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each returned or was refused with; they start together, each in a thread."""
    start = threading.Barrier(len(works), timeout=60)

    def begun(work: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return work()
        except (Conflict, Missing) as refused:
            return refused

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(begun, works))


def winner_of(outcomes: list[Any]) -> Representation[Any]:
    """The one that was not refused; fails where there are several, or none."""
    won = [one for one in outcomes if not isinstance(one, Exception)]
    assert len(won) == 1, f"{len(won)} writers were told that theirs is stored"
    made: Representation[Any] = won[0]
    return made


class Meanwhile:
    """Somebody who writes while another makes his change, or right after, if he has to wait."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._outcome: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._outcome.extend(all_at_once([work])))

    def __call__(self, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def changed(value: Any) -> Any:
            if self._thread.ident is None:
                self._thread.start()
                self._thread.join(MEANWHILE)
            return change(value)

        return changed

    def outcome(self) -> Any:
        """What he came to."""
        self._thread.join(60)
        [outcome] = self._outcome
        return outcome


class OneWinner:
    """The check and the write are one step, whoever else writes at that moment."""

    def test_of_writers_at_once_under_one_tag_one_wins_and_the_others_know(
        self, shelf: Shelf
    ) -> None:
        guard = shelf.unchanged(shelf.store.create(KEY, note()).etag)

        def work(number: int) -> Callable[[], Any]:
            if number % 2:
                return lambda: shelf.store.replace(KEY, note(n=number), guard)
            return lambda: shelf.store.patch(KEY, lambda value: dict(value) | {"n": number}, guard)

        outcomes = all_at_once([work(number) for number in range(1, THREADS + 1)])
        winner = winner_of(outcomes)
        assert_is(shelf.store.read(KEY), note(n=winner.value["n"]), shelf)
        losers = [one for one in outcomes if one is not winner]
        assert all(one.current == winner.etag for one in losers)

    def test_of_creators_at_once_one_creates(self, shelf: Shelf) -> None:
        def work(number: int) -> Callable[[], Any]:
            return lambda: shelf.store.create(KEY, note(n=number))

        winner = winner_of(all_at_once([work(number) for number in range(THREADS)]))
        assert_is(shelf.store.read(KEY), note(n=winner.value["n"]), shelf)

    def test_of_a_patch_and_who_writes_while_it_is_made_up_one_wins(self, shelf: Shelf) -> None:
        guard = shelf.unchanged(shelf.store.create(KEY, note()).etag)
        other = Meanwhile(lambda: shelf.store.replace(KEY, note("other"), guard))
        ours = all_at_once([lambda: shelf.store.patch(KEY, other(titled("ours")), guard)])
        winner = winner_of([*ours, other.outcome()])
        assert_is(shelf.store.read(KEY), note(winner.value["title"]), shelf)

    def test_a_change_without_a_guard_is_made_on_what_came_meanwhile(self, shelf: Shelf) -> None:
        shelf.store.create(KEY, note())
        add = lambda value: dict(value) | {"n": value["n"] + 1}  # noqa: E731 (both do it)
        other = Meanwhile(lambda: shelf.store.patch(KEY, add))
        shelf.store.patch(KEY, other(add))
        assert other.outcome().changed
        assert_is(shelf.store.read(KEY), note(n=2), shelf)


class AfterRestart:
    """What was promised outlives the process. Needs `Shelf.reopened`."""

    def test_after_a_restart_bodies_and_tags_are_the_same(self, shelf: Shelf) -> None:
        made = shelf.store.create(KEY, note("a", 1, {"x": [1.0]}, 0.1))
        other = shelf.store.replace(OTHER, note("b"))
        again = shelf.reopened()
        for key, before in ((KEY, made), (OTHER, other)):
            found = again.read(key)
            assert found is not None
            assert (found.value, found.body, found.etag) == (
                before.value,
                before.body,
                before.etag,
            )
            assert again.tag(key) == before.etag

    def test_a_guard_from_before_a_restart_holds(self, shelf: Shelf) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        now = shelf.store.replace(KEY, note("b")).etag
        again = shelf.reopened()
        with pytest.raises(Conflict) as caught:
            again.replace(KEY, note("c"), shelf.unchanged(old))
        assert caught.value.current == now
        assert_is(again.patch(KEY, titled("c"), shelf.unchanged(now)), note("c"), shelf)

    def test_what_was_created_or_deleted_before_a_restart_stays_so(self, shelf: Shelf) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        shelf.store.create(OTHER, note("b"))
        shelf.store.delete(KEY)
        again = shelf.reopened()
        assert (again.tag(KEY), again.read(KEY)) == (None, None)
        with pytest.raises(Missing):
            again.delete(KEY, shelf.unchanged(old))
        with pytest.raises(Conflict):
            again.replace(KEY, note("c"), shelf.unchanged(old))
        with pytest.raises(Conflict):
            again.create(OTHER, note("c"))
        assert_is(again.create(KEY, note("c")), note("c"), shelf)

    def test_after_a_restart_the_tags_of_collections_are_the_same(self, shelf: Shelf) -> None:
        shelf.store.create(KEY, note())
        shelf.store.create(OTHER, note())
        shelf.store.delete(OTHER)
        scopes = [EVERYTHING, shelf.scope(KEY), shelf.scope(OTHER), shelf.scope(("nobody", 1))]
        before = [shelf.store.collection_tag(scope, query={"page": 1}) for scope in scopes]
        again = shelf.reopened()
        assert [again.collection_tag(scope, query={"page": 1}) for scope in scopes] == before


class TwoProcesses:
    """Two stores on the same data are as one. Needs `Shelf.reopened`."""

    @pytest.mark.parametrize("method", ["replace", "patch", "delete"])
    def test_a_guard_taken_in_one_process_is_refused_in_the_other_after_a_change(
        self, shelf: Shelf, method: str
    ) -> None:
        one, two = shelf.store, shelf.reopened()
        for here, there in ((one, two), (two, one)):
            taken = here.replace(KEY, note("a")).etag
            assert there.tag(KEY) == taken
            now = there.replace(KEY, note("b"), shelf.unchanged(taken)).etag
            writes: dict[str, Callable[[], Any]] = {
                "replace": lambda: here.replace(KEY, note("c"), shelf.unchanged(taken)),  # noqa: B023
                "patch": lambda: here.patch(KEY, titled("c"), shelf.unchanged(taken)),  # noqa: B023
                "delete": lambda: here.delete(KEY, shelf.unchanged(taken)),  # noqa: B023
            }
            with pytest.raises(Conflict) as caught:
                writes[method]()
            assert caught.value.current == now == here.tag(KEY)
            assert_is(here.read(KEY), note("b"), shelf)

    def test_what_one_process_writes_changes_the_tags_of_collections_in_the_other(
        self, shelf: Shelf
    ) -> None:
        one, two = shelf.store, shelf.reopened()
        seen = {two.collection_tag(shelf.scope(KEY)), one.collection_tag(shelf.scope(OTHER))}
        writes: list[Callable[[], Any]] = [
            lambda: one.create(KEY, note()),
            lambda: two.replace(KEY, note("b")),
            lambda: one.patch(KEY, titled("c")),
            lambda: two.delete(KEY),
            lambda: two.create(KEY, note("d")),
        ]
        for write in writes:
            others = one.collection_tag(shelf.scope(OTHER))
            write()
            tag = one.collection_tag(shelf.scope(KEY))
            assert tag == two.collection_tag(shelf.scope(KEY))
            assert tag not in seen
            seen.add(tag)
            assert two.collection_tag(shelf.scope(OTHER)) == others

    def test_of_writers_in_two_processes_under_one_tag_one_wins(self, shelf: Shelf) -> None:
        stores = [shelf.store, shelf.reopened()]
        guard = shelf.unchanged(shelf.store.create(KEY, note()).etag)

        def work(number: int) -> Callable[[], Any]:
            return lambda: stores[number % 2].replace(KEY, note(n=number + 1), guard)

        winner = winner_of(all_at_once([work(number) for number in range(THREADS)]))
        for store in stores:
            assert_is(store.read(KEY), note(n=winner.value["n"]), shelf)


class ForeignWriters:
    """Whoever writes is seen. Needs `Shelf.behind`."""

    def test_an_update_from_outside_is_seen_and_voids_every_guard(self, shelf: Shelf) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        shelf.behind().update(KEY, {"title": "foreign"})
        assert_is(shelf.store.read(KEY), note("foreign"), shelf)
        assert shelf.store.tag(KEY) == shelf.found(KEY).etag != old
        writes: list[Callable[[], Any]] = [
            lambda: shelf.store.replace(KEY, note("b"), shelf.unchanged(old)),
            lambda: shelf.store.patch(KEY, titled("b"), shelf.unchanged(old)),
            lambda: shelf.store.delete(KEY, shelf.unchanged(old)),
        ]
        for write in writes:
            with pytest.raises(Conflict) as caught:
                write()
            assert caught.value.current == shelf.store.tag(KEY)
        assert_is(shelf.store.patch(KEY, titled("b")), note("b"), shelf)

    def test_a_tag_of_what_came_from_outside_is_a_guard_too(self, shelf: Shelf) -> None:
        shelf.behind().insert(KEY, note("foreign"))
        taken = shelf.store.tag(KEY)
        assert taken is not None
        assert_is(shelf.store.patch(KEY, titled("b"), shelf.unchanged(taken)), note("b"), shelf)
        shelf.behind().update(KEY, {"n": 7})
        with pytest.raises(Conflict):
            shelf.store.patch(KEY, titled("c"), shelf.unchanged(taken))

    def test_an_update_from_outside_that_changes_nothing_leaves_the_tag_of_the_state(
        self, shelf: Shelf
    ) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        shelf.behind().update(KEY, {"title": "a"})
        assert shelf.store.tag(KEY) == old
        assert_is(shelf.store.read(KEY), note("a"), shelf)

    def test_what_is_deleted_from_outside_is_gone(self, shelf: Shelf) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        shelf.behind().delete(KEY)
        assert (shelf.store.tag(KEY), shelf.store.read(KEY)) == (None, None)
        with pytest.raises(Conflict) as caught:
            shelf.store.replace(KEY, note("b"), shelf.unchanged(old))
        assert caught.value.current is None
        for guard in (UNCONDITIONAL, shelf.unchanged(old)):
            with pytest.raises(Missing):
                shelf.store.patch(KEY, titled("b"), guard)

    def test_what_is_inserted_from_outside_is_there(self, shelf: Shelf) -> None:
        shelf.behind().insert(KEY, note("foreign"))
        with pytest.raises(Conflict) as caught:
            shelf.store.create(KEY, note("b"))
        assert caught.value.current == shelf.store.tag(KEY)
        assert_is(shelf.store.read(KEY), note("foreign"), shelf)

    def test_who_is_deleted_and_inserted_from_outside_does_not_pass_for_the_old_one(
        self, shelf: Shelf
    ) -> None:
        old = shelf.store.create(KEY, note("a")).etag
        behind = shelf.behind()
        behind.delete(KEY)
        behind.insert(KEY, note("b"))
        with pytest.raises(Conflict):
            shelf.store.replace(KEY, note("c"), shelf.unchanged(old))
        found = shelf.found(KEY)
        assert found.etag.opaque == state_digest(found.body)
        assert_is(found, note("b"), shelf)

    def test_what_is_moved_from_outside_is_in_one_place(self, shelf: Shelf) -> None:
        made = shelf.store.create(KEY, note("a"))
        shelf.behind().move(KEY, OTHER)
        assert (shelf.store.tag(KEY), shelf.store.read(KEY)) == (None, None)
        assert_is(shelf.store.read(OTHER), note("a"), shelf)
        assert shelf.store.tag(OTHER) == made.etag

    def test_every_write_from_outside_changes_the_tags_of_its_collections(
        self, shelf: Shelf
    ) -> None:
        behind = shelf.behind()
        both = {KEY[0], OTHER[0]}
        writes: list[tuple[Callable[[], Any], set[str]]] = [
            (lambda: behind.insert(KEY, note("a")), {KEY[0]}),
            (lambda: behind.update(KEY, {"title": "b"}), {KEY[0]}),
            (lambda: behind.move(KEY, OTHER), both),
            (lambda: behind.delete(OTHER), {OTHER[0]}),
            (lambda: behind.insert(OTHER, note("c")), {OTHER[0]}),
            (lambda: behind.move(OTHER, KEY), both),
        ]
        scopes = {owner: shelf.scope((owner, 1)) for owner in (*sorted(both), "nobody")}
        seen: set[Any] = set()
        for write, touched in writes:
            before = {owner: shelf.store.collection_tag(scopes[owner]) for owner in scopes}
            everything = shelf.store.collection_tag()
            seen |= {everything, *before.values()}
            write()
            after = {owner: shelf.store.collection_tag(scopes[owner]) for owner in scopes}
            assert {owner for owner in scopes if after[owner] != before[owner]} == touched
            assert not seen & {shelf.store.collection_tag(), *(after[owner] for owner in touched)}

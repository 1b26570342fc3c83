"""The contract notices: a store that breaks a promise fails the test that is named for it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from ifmatch.testing.store_contract import AfterRestart, Shelf, StoreContract
from packages.ifmatch.tests.store import broken
from packages.ifmatch.tests.store.broken import SoundShelf

NOTICED: dict[str, list[type[Any]]] = {
    "test_of_a_patch_and_who_writes_while_it_is_made_up_one_wins": [broken.CheckThenWrite],
    "test_a_change_without_a_guard_is_made_on_what_came_meanwhile": [broken.CheckThenWrite],
    "test_of_writers_at_once_under_one_tag_one_wins_and_the_others_know": [broken.LastWriterWins],
    "test_a_replace_under_an_older_tag_is_a_conflict_that_knows_the_current_one": [
        broken.LastWriterWins,
        broken.KeepsTheTag,
    ],
    "test_the_tag_follows_the_state_and_comes_back_with_it": [broken.KeepsTheTag],
    "test_an_unconditional_replace_creates_and_overwrites": [broken.TornRead],
    "test_create_only_creates_once": [broken.CreatesTwice],
    "test_of_creators_at_once_one_creates": [broken.CreatesTwice],
    "test_a_delete_under_the_current_tag_is_done_and_the_next_finds_nothing": [
        broken.DeletesAnything
    ],
    "test_a_write_of_what_is_there_leaves_the_tag_and_says_so": [broken.AlwaysChanged],
    "test_values_that_json_tells_apart_are_changes_and_have_tags_of_their_own": [
        broken.PythonsEqual
    ],
    "test_every_write_changes_it_within_its_scope_and_in_no_other": [
        broken.MissesDeletes,
        broken.CountsForAll,
    ],
    "test_what_moves_out_of_one_scope_into_another_changes_both": [broken.MissesWhatMovesOut],
    "test_an_old_one_never_comes_back_for_another_content": [broken.CountsRows],
    "test_it_stays_while_nothing_is_written": [broken.CountsRefusals],
    "test_each_query_has_tags_of_its_own": [broken.ForgetsTheQuery],
    "test_a_scope_that_nobody_counts_is_refused_with_the_next_step": [broken.CountsNothing],
    "test_after_a_restart_bodies_and_tags_are_the_same": [broken.SaltsTags],
    "test_a_guard_from_before_a_restart_holds": [broken.SaltsTags],
    "test_after_a_restart_the_tags_of_collections_are_the_same": [broken.CountsAnew],
    "test_what_one_process_writes_changes_the_tags_of_collections_in_the_other": [
        broken.CountsAnew
    ],
    "test_a_guard_taken_in_one_process_is_refused_in_the_other_after_a_change": [
        broken.RemembersTags,
        broken.LastWriterWins,
    ],
    "test_an_update_from_outside_is_seen_and_voids_every_guard": [broken.RemembersTags],
}


ASKED = {"self", "shelf", "method"}


def run(name: str, shelf: Shelf) -> None:
    """The test of that name, with its first parameters where it has any."""
    test = getattr(StoreContract(), name)
    more = {"method": "replace"} if "method" in inspect.signature(test).parameters else {}
    test(shelf, **more)


@pytest.mark.parametrize(
    ("name", "store"),
    [
        pytest.param(name, store, id=f"{store.__name__}-{name}")
        for name, stores in NOTICED.items()
        for store in stores
    ],
)
def test_a_broken_store_fails_the_test_that_is_named_for_it(name: str, store: type[Any]) -> None:
    run(name, SoundShelf(broken.Sound(), strong=False))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(name, SoundShelf(store(), strong=False))


def test_a_writer_from_outside_whom_no_counter_sees_is_noticed() -> None:
    name = "test_every_write_from_outside_changes_the_tags_of_its_collections"
    run(name, SoundShelf(broken.Sound(), strong=False))
    with pytest.raises(AssertionError):
        run(name, broken.Unseen(broken.Sound(), strong=False))


def plain_promises() -> list[str]:
    """Those that need no other mode of the store and no other parameter."""
    names = [name for name in dir(StoreContract) if name.startswith("test_")]
    asked = {name: inspect.signature(getattr(StoreContract, name)).parameters for name in names}
    return [name for name in names if {"self", "shelf"} <= set(asked[name]) <= ASKED]


@pytest.mark.parametrize("name", plain_promises())
def test_what_is_broken_on_purpose_is_broken_in_that_alone(name: str) -> None:
    """The store beside them is sound, restarts and foreigners included."""
    run(name, SoundShelf(broken.Sound(), strong=False))


def test_every_broken_store_is_tried() -> None:
    tried = {store for stores in NOTICED.values() for store in stores}
    made = {
        one
        for one in vars(broken).values()
        if inspect.isclass(one) and issubclass(one, broken.Sound) and one is not broken.Sound
    }
    assert made - {broken.OtherTags} == tried


# -- exemptions -----------------------------------------------------------------------------------


def test_a_store_is_exempt_by_name_and_with_a_reason() -> None:
    class Exempt(StoreContract, exempt={AfterRestart: "It is gone with its process."}):
        pass

    assert Exempt.exemptions == {AfterRestart: "It is gone with its process."}
    gone = {name for name in dir(StoreContract) if callable(getattr(StoreContract, name))} - {
        name for name in dir(Exempt) if callable(getattr(Exempt, name))
    }
    assert gone == {name for name in vars(AfterRestart) if name.startswith("test_")}
    with pytest.raises(TypeError, match="say why"):

        class Silent(StoreContract, exempt={AfterRestart: " "}):
            pass


@pytest.mark.parametrize("hook", ["reopened", "behind"])
def test_a_shelf_without_a_hook_says_how_to_be_exempt(hook: str) -> None:
    with pytest.raises(NotImplementedError, match="exempt="):
        getattr(Shelf(broken.Sound(), strong=False), hook)()

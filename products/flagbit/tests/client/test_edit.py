"""An edit never loses a change: mine, theirs, or one whose answer was lost."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from flagbit.client.changes import Clash, Keep
from flagbit.client.edit import TRIES, Manner, create, delete, edit, longest_pause
from flagbit.client.failures import BadInput, Conflict, Failure, OutcomeUnknown
from flagbit.client.places import Place

SIZE = Place("size")


class Notes:
    """How long an edit waited."""

    def __init__(self) -> None:
        self.pauses: list[int] = []

    def manner(self, **more: Any) -> Manner:
        return Manner(pause=self.pauses.append, **more)


@pytest.fixture
def notes() -> Notes:
    return Notes()


def setting(**values: Any) -> Any:
    return lambda base: base | values


def breaks(error: type[httpx.TransportError]) -> Any:
    def hook() -> None:
        raise error("the line broke")

    return hook


# -- nobody else ---------------------------------------------------------------------------------


def test_an_edit_is_one_write_on_the_tag_that_was_read(origin: Any, notes: Notes) -> None:
    tag = origin.tag
    saved = edit(origin.api(), SIZE, setting(description="x"), notes.manner())
    assert saved.now.document["description"] == "x"
    assert saved.now.tag == origin.tag != tag
    assert [one.headers["if-match"] for one in origin.writes] == [tag]
    assert list(saved.made) == [("description",)]
    assert saved.over is None
    assert not notes.pauses


def test_what_is_so_already_is_not_written(origin: Any, notes: Notes) -> None:
    assert not edit(origin.api(), SIZE, setting(tags=["ui"]), notes.manner()).written
    assert origin.writes == []


# -- somebody else was quicker -------------------------------------------------------------------


def test_a_change_of_something_else_is_made_anew_and_both_survive(
    origin: Any, notes: Notes
) -> None:
    origin.before_writes = [lambda: origin.become(description="theirs")]
    saved = edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert (origin.flag["description"], origin.flag["tags"]) == ("theirs", ["mine"])
    assert saved.over is not None
    assert saved.over.last == {"by": "Grace", "at": "2026-11-22T12:00:00.000Z", "action": "changed"}
    assert list(saved.over.theirs or {}) == [("description",)]
    assert list(saved.made) == [("tags",)]


def test_a_change_of_the_same_stops_shows_all_three_and_writes_nothing(
    origin: Any, notes: Notes
) -> None:
    tag = origin.tag
    origin.before_writes = [lambda: origin.become(tags=["theirs"])]
    with pytest.raises(Conflict, match="changed by Grace") as caught:
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert caught.value.found is not None
    assert caught.value.found.clashes == {("tags",): Clash(["ui"], ["mine"], ["theirs"])}
    assert caught.value.found.tag == tag
    assert caught.value.status == 3
    assert origin.flag["tags"] == ["theirs"]
    assert len(origin.writes) == 1


def test_the_same_change_by_both_is_done_and_written_once(origin: Any, notes: Notes) -> None:
    origin.before_writes = [lambda: origin.become(tags=["both"])]
    saved = edit(origin.api(), SIZE, setting(tags=["both"]), notes.manner())
    assert not saved.written
    assert saved.over is not None
    assert origin.audit[0]["actor"] == "Grace"


@pytest.mark.parametrize(("keep", "tags"), [(Keep.MINE, ["mine"]), (Keep.THEIRS, ["theirs"])])
def test_a_way_on_says_whose_value_stays(
    origin: Any, notes: Notes, keep: Keep, tags: list[str]
) -> None:
    origin.before_writes = [lambda: origin.become(tags=["theirs"])]
    make = setting(tags=["mine"], description="mine")
    edit(origin.api(), SIZE, make, notes.manner(keep=keep))
    assert (origin.flag["tags"], origin.flag["description"]) == (tags, "mine")


def test_change_upon_change_my_change_is_counted_from_what_i_read(
    origin: Any, notes: Notes
) -> None:
    origin.before_writes = [
        lambda: origin.become(description="first"),
        lambda: origin.become(description="second"),
        lambda: origin.become(variants={"a": 1, "b": 2}),
    ]
    edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert origin.flag["description"] == "second"
    assert origin.flag["variants"] == {"a": 1, "b": 2}
    assert notes.pauses == [0, 1, 2]


def test_a_state_that_comes_back_is_the_state_that_was_read(origin: Any, notes: Notes) -> None:
    was = origin.flag

    def there_and_back() -> httpx.Response:
        origin.become(tags=["theirs"])
        answer: httpx.Response = origin.refusal()
        origin.flag = was
        return answer

    origin.before_writes = [there_and_back]
    saved = edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert origin.flag["tags"] == ["mine"]
    assert saved.over is None


def test_tries_are_bounded_and_nothing_is_written_after_the_last(origin: Any, notes: Notes) -> None:
    origin.before_writes = [
        lambda number=number: origin.become(description=str(number)) for number in range(TRIES + 1)
    ]
    with pytest.raises(Conflict, match="each of 8 tries"):
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert len(origin.writes) == TRIES
    assert origin.flag["tags"] == ["ui"]


def test_a_flag_that_was_deleted_meanwhile_is_not_made_again(origin: Any, notes: Notes) -> None:
    origin.before_writes = [origin.vanish]
    with pytest.raises(Conflict, match=r"deleted after it was read \(deleted by Grace"):
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert origin.flag is None


def test_pauses_double_from_a_millisecond_and_are_capped() -> None:
    caps = [longest_pause(attempt) for attempt in range(TRIES)]
    assert caps == [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.05]


# -- an edit that rests on an earlier read -------------------------------------------------------


def test_a_held_edit_is_never_made_anew_even_where_nothing_clashes(
    origin: Any, notes: Notes
) -> None:
    tag = origin.tag
    origin.become(description="theirs")
    with pytest.raises(Conflict) as caught:
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner(held=tag, anew=False))
    assert caught.value.found is not None
    assert not caught.value.found.clashes
    assert list(caught.value.found.theirs or {}) == [("description",)]
    assert origin.writes == []


def test_a_held_edit_that_loses_the_race_is_not_made_anew(origin: Any, notes: Notes) -> None:
    origin.before_writes = [lambda: origin.become(description="theirs")]
    with pytest.raises(Conflict):
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner(held=origin.tag, anew=False))
    assert len(origin.writes) == 1


def test_a_held_edit_on_the_present_tag_is_saved_in_either_form_of_the_tag(
    origin: Any, notes: Notes
) -> None:
    held = origin.tag.removeprefix("W/")
    edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner(held=held, anew=False))
    assert origin.flag["tags"] == ["mine"]


def test_what_a_held_tag_stood_for_is_found_in_the_history(origin: Any, notes: Notes) -> None:
    """So that a file, edited for an hour, is merged with what happened in that hour."""
    tag = origin.tag
    for number in range(9):
        origin.become(description=str(number))
    origin.become(tags=["theirs"])
    make = setting(tags=["mine"], variants={"a": 1, "mine": 2})
    with pytest.raises(Conflict) as caught:
        edit(origin.api(), SIZE, make, notes.manner(held=tag))
    assert caught.value.found is not None
    assert caught.value.found.clashes == {("tags",): Clash(["ui"], ["mine"], ["theirs"])}
    edit(origin.api(), SIZE, make, notes.manner(held=tag, keep=Keep.THEIRS))
    assert origin.flag["tags"] == ["theirs"]
    assert origin.flag["variants"] == {"a": 1, "mine": 2}
    assert origin.flag["description"] == "8"


def test_a_held_tag_that_nobody_remembers_stops_unless_mine_is_to_stay(
    origin: Any, notes: Notes
) -> None:
    for keep in (None, Keep.THEIRS):
        manner = notes.manner(held='"gone"', keep=keep)
        with pytest.raises(Conflict) as caught:
            edit(origin.api(), SIZE, setting(tags=["mine"]), manner)
        assert caught.value.found is not None
        assert caught.value.found.theirs is None
    assert origin.writes == []
    manner = notes.manner(held='"gone"', keep=Keep.MINE)
    edit(origin.api(), SIZE, setting(tags=["mine"]), manner)
    assert origin.flag["tags"] == ["mine"]


@pytest.mark.parametrize("held", ["W/abc", "*", "", '"é"', '"旗"', 'W/"a\n"', '"a", "b"'])
def test_what_is_no_tag_is_refused_before_anything_is_written(
    origin: Any, notes: Notes, held: str
) -> None:
    with pytest.raises(BadInput, match="no entity tag"):
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner(held=held, anew=False))
    assert origin.writes == []


# -- the answer was lost -------------------------------------------------------------------------

LOST = [httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError]


@pytest.mark.parametrize("error", LOST)
def test_a_lost_answer_to_a_write_that_was_done_is_found_out(
    origin: Any, notes: Notes, error: type[httpx.TransportError]
) -> None:
    origin.after_writes = [breaks(error)]
    saved = edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert saved.confirmed
    assert len(origin.writes) == 1


@pytest.mark.parametrize("error", [*LOST, httpx.WriteError, httpx.WriteTimeout])
def test_a_lost_write_is_not_repeated_and_its_outcome_is_unknown(
    origin: Any, notes: Notes, error: type[httpx.TransportError]
) -> None:
    origin.before_writes = [breaks(error)]
    with pytest.raises(OutcomeUnknown, match="not known whether") as caught:
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert caught.value.status == 4
    assert len(origin.writes) == 1


def test_a_server_that_fails_is_asked_what_is_there_now(origin: Any, notes: Notes) -> None:
    origin.after_writes = [lambda: httpx.Response(503)]
    assert edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner()).confirmed
    origin.before_writes = [lambda: httpx.Response(502, text="<html>")]
    with pytest.raises(OutcomeUnknown, match="answered 502"):
        edit(origin.api(), SIZE, setting(tags=["other"]), notes.manner())


def test_an_answer_that_says_yes_in_words_of_somebody_else_is_no_answer(
    origin: Any, notes: Notes
) -> None:
    origin.before_writes = [lambda: httpx.Response(200, text="Welcome to this hotel")]
    with pytest.raises(OutcomeUnknown):
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())


def test_a_change_of_somebody_else_after_mine_was_lost_leaves_it_unknown(
    origin: Any, notes: Notes
) -> None:
    def then_somebody() -> None:
        origin.become(tags=["theirs"])
        raise httpx.ReadTimeout("late")

    origin.after_writes = [then_somebody]
    with pytest.raises(OutcomeUnknown):
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert origin.flag["tags"] == ["theirs"]


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout])
def test_a_write_that_was_never_sent_is_a_plain_error(
    origin: Any, notes: Notes, error: type[httpx.TransportError]
) -> None:
    origin.before_writes = [breaks(error)]
    with pytest.raises(Failure, match="Nothing answers") as caught:
        edit(origin.api(), SIZE, setting(tags=["mine"]), notes.manner())
    assert caught.value.status == 1


# -- create and delete ---------------------------------------------------------------------------


def test_creating_writes_only_where_there_is_nothing(origin: Any) -> None:
    with pytest.raises(Conflict, match=r"already \(created by Ada"):
        create(origin.api(), SIZE, {"key": "size"})
    origin.vanish()
    assert create(origin.api(), SIZE, {"key": "size"}).now.document["key"] == "size"


def test_a_lost_answer_to_creating_is_found_out(origin: Any) -> None:
    origin.vanish()
    origin.before_writes = [breaks(httpx.ReadError)]
    with pytest.raises(OutcomeUnknown):
        create(origin.api(), SIZE, {"key": "size"})
    origin.after_writes = [breaks(httpx.ReadError)]
    assert create(origin.api(), SIZE, {"key": "size"}).confirmed


def test_deleting_deletes_what_was_read_and_nothing_newer(origin: Any, notes: Notes) -> None:
    origin.before_writes = [lambda: origin.become(tags=["theirs"])]
    with pytest.raises(Conflict) as caught:
        delete(origin.api(), SIZE, notes.manner())
    assert caught.value.found is not None
    assert list(caught.value.found.theirs or {}) == [("tags",)]
    assert origin.flag is not None
    assert delete(origin.api(), SIZE, notes.manner())
    assert origin.flag is None


def test_deleting_rests_on_a_held_tag(origin: Any, notes: Notes) -> None:
    tag = origin.tag
    origin.become(tags=["theirs"])
    with pytest.raises(Conflict):
        delete(origin.api(), SIZE, notes.manner(held=tag))
    assert delete(origin.api(), SIZE, notes.manner(held=tag, keep=Keep.MINE))


def test_deleting_what_somebody_else_deletes_is_done(origin: Any, notes: Notes) -> None:
    origin.before_writes = [origin.vanish]
    assert not delete(origin.api(), SIZE, notes.manner())


def test_a_lost_answer_to_deleting_is_found_out(origin: Any, notes: Notes) -> None:
    origin.before_writes = [breaks(httpx.ReadError)]
    with pytest.raises(OutcomeUnknown, match="still there"):
        delete(origin.api(), SIZE, notes.manner())
    origin.after_writes = [breaks(httpx.ReadError)]
    assert delete(origin.api(), SIZE, notes.manner())

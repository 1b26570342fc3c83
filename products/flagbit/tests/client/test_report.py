"""What an edit says of somebody else's change: what became of mine, and nothing that is not so."""

from __future__ import annotations

import doctest

import pytest

from flagbit.client import refusals
from flagbit.client.changes import Document, Keep, changes, clashes
from flagbit.client.failures import Disagreement
from flagbit.client.report import meanwhile

GRACE = {"by": "Grace", "at": "2026-11-22T12:00:00.000Z", "action": "changed"}
BASE: Document = {"tags": ["ui"], "description": ""}


def over(mine: Document, theirs: Document) -> Disagreement:
    made = changes(BASE, BASE | mine)
    others = changes(BASE, BASE | theirs)
    return Disagreement('W/"a"', GRACE, made, others, clashes(made, others))


MINE: Document = {"tags": ["mine"]}
THEIRS: Document = {"tags": ["theirs"]}
ELSEWHERE: Document = {"description": "theirs"}


@pytest.mark.parametrize(
    ("found", "keep", "written", "says"),
    [
        (over(MINE, ELSEWHERE), None, True, "; your change was made anew on top of that."),
        (over(MINE, ELSEWHERE), Keep.THEIRS, True, "; your change was made anew on top of that."),
        (over(MINE, MINE), None, False, "Grace made the same change meanwhile."),
        (over(MINE, THEIRS), Keep.MINE, True, "You both changed tags: yours took the place of"),
        (over(MINE, THEIRS), Keep.THEIRS, False, "You both changed tags: theirs stays."),
        (
            over(MINE | {"description": "mine"}, THEIRS),
            Keep.THEIRS,
            True,
            "You both changed tags: theirs stays, and the rest of yours is saved.",
        ),
    ],
)
def test_it_says_what_became_of_both_changes(
    found: Disagreement, keep: Keep | None, written: bool, says: str
) -> None:
    said = meanwhile(found, keep, written=written)
    assert said.startswith("Grace ")
    assert says in said
    assert ("made anew" in said) == (written and not found.clashes)


def test_the_examples_are_right() -> None:
    assert doctest.testmod(refusals).failed == 0

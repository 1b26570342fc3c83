"""Who may do what: roles include one another, places narrow a key down."""

from __future__ import annotations

import pytest

from chassis.rights import Principal, Role

A, W, R, S, C = Role.ADMIN, Role.WRITE, Role.READ, Role.SERVER, Role.CLIENT


@pytest.mark.parametrize(
    ("role", "manages", "includes"),
    [
        (A, {A, W, R}, {A, W, R}),
        (W, {W, R}, {W, R}),
        (R, {R}, {R}),
        (S, set(), {S}),
        (C, set(), {C}),
    ],
)
def test_a_role_includes_those_below_it(
    role: Role, manages: set[Role], includes: set[Role]
) -> None:
    principal = Principal("key_1", "Ada", role)
    assert {needed for needed in Role if principal.may_manage(needed)} == manages
    assert {needed for needed in Role if role.includes(needed)} == includes


def test_a_key_is_valid_where_it_says_or_everywhere() -> None:
    narrow = Principal("key_1", "Ada", Role.SERVER, "flagbit", "shop", "production")
    assert narrow.may_enter("flagbit")
    assert narrow.may_enter("flagbit", "shop", "production")
    assert not narrow.may_enter("cronping")
    assert not narrow.may_enter("flagbit", "blog")
    assert not narrow.may_enter("flagbit", "shop", "staging")
    assert Principal("key_2", "Ben", Role.ADMIN).may_enter("cronping", "any", "any")


PLACES = [
    (None, None, None),
    ("flagbit", None, None),
    ("flagbit", "shop", None),
    ("flagbit", "shop", "production"),
]


def at(*place: str | None) -> Principal:
    return Principal("key_1", "Ada", Role.ADMIN, *place)


@pytest.mark.parametrize("own", range(len(PLACES)))
@pytest.mark.parametrize("other", range(len(PLACES)))
def test_a_key_covers_those_that_are_bound_as_narrowly_as_itself(own: int, other: int) -> None:
    assert at(*PLACES[own]).covers(at(*PLACES[other])) is (own <= other)


def test_a_key_covers_none_of_another_place() -> None:
    assert not at("flagbit").covers(at("cronping"))
    assert not at("flagbit", "shop").covers(at("flagbit", "blog"))
    assert not at("flagbit", "shop", "staging").covers(at("flagbit", "shop", "production"))
    assert not at("flagbit", "shop").covers(at("cronping", "shop"))

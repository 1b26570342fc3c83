"""Who may do what: roles include one another, places narrow a key down."""

from __future__ import annotations

import pytest

from chassis.rights import Principal, ProductRole, Role, Roles, UnfitRole, includes

A, W, R = Role.ADMIN, Role.WRITE, Role.READ
PING = ProductRole("ping", "reports that a job ran", bound="project")
SERVER = ProductRole("server", "evaluates", bound="environment")
SCAN = ProductRole("scan", "scans")
ROLES = Roles({"cronping": [PING, SCAN], "flagbit": [SERVER], "webhookvault": [SCAN]})


@pytest.mark.parametrize(
    ("role", "included"),
    [(A, {A, W, R}), (W, {W, R}), (R, {R}), ("ping", {"ping"}), ("server", {"server"})],
)
def test_a_role_includes_those_below_it(role: str, included: set[str]) -> None:
    """One that a product adds is included by none, not even by admin."""
    assert {needed for needed in (A, W, R, "ping", "server") if includes(role, needed)} == included
    principal = Principal("key_1", "Ada", role)
    assert {needed for needed in Role if principal.may_manage(needed)} == included & {*Role}


def test_the_roles_of_a_product_are_those_that_manage_and_its_own() -> None:
    assert [*ROLES.of("cronping")] == ["admin", "write", "read", "ping", "scan"]
    assert [*ROLES.of("documint")] == ["admin", "write", "read"]
    assert {*ROLES.of(None)} == {"admin", "write", "read", "ping", "scan", "server"}
    assert ROLES.of("flagbit")["server"] == "evaluates"


@pytest.mark.parametrize(
    ("role", "place", "pointer"),
    [
        ("ping", ("cronping", "shop", None), None),
        ("ping", ("cronping", None, None), "/project"),
        ("ping", (None, "shop", None), "/product"),
        ("ping", ("flagbit", "shop", None), "/product"),
        ("server", ("flagbit", None, "production"), None),
        ("server", ("flagbit", "shop", None), "/environment"),
        ("scan", ("webhookvault", None, None), None),
        ("scan", ("flagbit", None, None), "/product"),
        ("root", ("flagbit", None, None), "/role"),
        ("", (None, None, None), "/role"),
        ("admin", (None, None, None), None),
        ("read", ("flagbit", "shop", "production"), None),
    ],
)
def test_a_role_is_given_where_its_product_says(
    role: str, place: tuple[str | None, str | None, str | None], pointer: str | None
) -> None:
    if pointer is None:
        ROLES.check(role, *place)
        return
    with pytest.raises(UnfitRole) as caught:
        ROLES.check(role, *place)
    assert caught.value.pointer == pointer
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "bound"),
    [("admin", None), ("read", None), ("Ping", None), ("", None), ("a" * 11, None), ("ping", "x")],
)
def test_a_role_that_could_not_be_kept_apart_is_refused(name: str, bound: str | None) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (two reasons)
        ProductRole(name, "", bound=bound)


def test_a_key_is_valid_where_it_says_or_everywhere() -> None:
    narrow = Principal("key_1", "Ada", "server", "flagbit", "shop", "production")
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

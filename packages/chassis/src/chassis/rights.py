"""Who is asking, and what they may do. Pure values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

_NAME = re.compile("[a-z]{1,10}")


class Role(StrEnum):
    """What a key that manages things may do: each role includes the next."""

    ADMIN = "admin"
    WRITE = "write"
    READ = "read"


_INCLUDED: dict[str, tuple[str, ...]] = {
    Role.ADMIN: (Role.WRITE, Role.READ),
    Role.WRITE: (Role.READ,),
}


def includes(held: str, needed: str) -> bool:
    """Whether a key of the role `held` may do what `needed` may.

    A role that a product adds includes nothing but itself, and no other role includes it.
    """
    return held == needed or needed in _INCLUDED.get(held, ())


@dataclass(frozen=True, slots=True)
class ProductRole:
    """A role that a product adds. Its keys are for that product alone, and manage nothing.

    `help` ends the sentence "A key of this role ...". `bound` says what a key has to name besides
    the product: its "project", its "environment", or nothing.
    """

    name: str
    help: str
    bound: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what could never be declared."""
        if not _NAME.fullmatch(self.name) or self.name in {*Role}:
            raise ValueError(f"{self.name!r} names no new role: use 1 to 10 letters from a to z.")
        if self.bound not in (None, "project", "environment"):
            raise ValueError(f"A key can be bound to a project or an environment, not {self.bound}")


class UnfitRole(ValueError):
    """A role that a key cannot have there; `pointer` names the member that has to change."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class Roles:
    """The roles that keys can have: those that manage, and those that products add."""

    def __init__(self, added: Mapping[str, Iterable[ProductRole]] | None = None) -> None:
        self._added = {product: tuple(roles) for product, roles in (added or {}).items()}

    def of(self, product: str | None) -> dict[str, str]:
        """What each role may do that is valid in a product, or anywhere with None; by name."""
        return dict(_MANAGING) | {
            role.name: role.help
            for name, roles in self._added.items()
            for role in roles
            if product in (None, name)
        }

    def added(self, name: str) -> list[tuple[str, ProductRole]]:
        """The products that add a role of that name, each with what it says of it."""
        return [
            (product, role)
            for product, roles in self._added.items()
            for role in roles
            if role.name == name
        ]

    def check(
        self, role: str, product: str | None, project: str | None, environment: str | None
    ) -> None:
        """Raise UnfitRole for a role that there is not, or not in that place."""
        if role in {*Role}:
            return
        added = self.added(role)
        if not added:
            raise UnfitRole(
                "/role", f"There is no role {role[:40]!a}. Use {_listed(self.of(None))}."
            )
        found = dict(added).get(product or "")
        if found is None:
            names = " or ".join(name for name, _ in added)
            raise UnfitRole(
                "/product", f"A key of the role {role} is for {names}. Name the product."
            )
        given = {"project": project, "environment": environment}
        if found.bound is not None and given[found.bound] is None:
            raise UnfitRole(
                f"/{found.bound}", f"A key of the role {role} is for one {found.bound}. Name it."
            )


_MANAGING = (
    (Role.ADMIN.value, "changes everything, and manages keys"),
    (Role.WRITE.value, "reads and changes everything but settings and keys"),
    (Role.READ.value, "reads"),
)


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from: the key, its owner's name, its role and where it is valid.

    None as product, project or environment means all of them.
    """

    key_id: str
    owner: str
    role: str
    product: str | None = None
    project: str | None = None
    environment: str | None = None

    def may_manage(self, needed: Role) -> bool:
        """Whether the role is enough to manage things as `needed` does."""
        return includes(self.role, needed)

    def may_enter(
        self, product: str, project: str | None = None, environment: str | None = None
    ) -> bool:
        """Whether the key is valid there. An unnamed project or environment is not looked at."""
        asked = ((self.product, product), (self.project, project), (self.environment, environment))
        return all(own is None or there is None or own == there for own, there in asked)

    def covers(self, other: Principal) -> bool:
        """Whether the other key is bound at least as narrowly: valid only where this one is."""
        pairs = (
            (self.product, other.product),
            (self.project, other.project),
            (self.environment, other.environment),
        )
        return all(own is None or own == theirs for own, theirs in pairs)

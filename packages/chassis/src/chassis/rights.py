"""Who is asking, and what they may do. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a key is for.

    ADMIN, WRITE and READ manage things, each including the next. SERVER and CLIENT evaluate flags
    of one environment and manage nothing.
    """

    ADMIN = "admin"
    WRITE = "write"
    READ = "read"
    SERVER = "server"
    CLIENT = "client"

    def includes(self, needed: Role) -> bool:
        """Whether a key of this role may do what `needed` may."""
        return self is needed or needed in _INCLUDED.get(self, ())


_INCLUDED = {Role.ADMIN: (Role.WRITE, Role.READ), Role.WRITE: (Role.READ,)}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from: the key, its owner's name, its role and where it is valid.

    None as product, project or environment means all of them.
    """

    key_id: str
    owner: str
    role: Role
    product: str | None = None
    project: str | None = None
    environment: str | None = None

    def may_manage(self, needed: Role) -> bool:
        """Whether the role is enough to manage things as `needed` does."""
        return needed in (Role.ADMIN, Role.WRITE, Role.READ) and self.role.includes(needed)

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

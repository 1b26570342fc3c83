"""One setting: where it comes from, what it means, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

FILE_SUFFIX = "_FILE"
"""Behind the variable of a secret: the name of a file that holds it, as containers have it."""


class OperatorError(Exception):
    """Something that the operator can mend; the message says how."""


class SettingsError(OperatorError):
    """A setting that cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Setting(Generic[Value]):
    """One row of the table of settings.

    `parse` makes the typed value of a text; it raises ValueError with what was expected. `field`
    names it in `Settings`. A product's own rows give their `default`, have no flag, and a variable
    that begins with the product's name: `Settings.of(row)` is their value.
    """

    field: str
    variable: str
    flag: str | None
    kind: str
    parse: Callable[[str], Value]
    help: str
    secret: bool = False
    default: Value | None = None

    def read(self, text: str, called: str) -> Value:
        """The typed value; raises SettingsError, naming it as the user did."""
        try:
            return self.parse(text.strip())
        except ValueError as expected:
            seen = f"{len(text)} characters" if self.secret else repr(text[:80])
            raise SettingsError(f"{called} is {seen}. Give {expected}.") from None

    def write(self, value: Any) -> str | None:
        """The text that `read` makes `value` of; None for a value that is not set."""
        if value is None:
            return None
        if isinstance(value, bool):
            return "1" if value else "0"
        return str(value.value if isinstance(value, Enum) else value)

    def show(self, value: Any) -> str:
        """A value, for people; never a secret."""
        if value is None:
            return "none"
        if self.secret:
            return "(hidden)"
        if isinstance(value, bool):
            return "on" if value else "off"
        return self.write(value) or "none"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it is read from."""
        return (self.variable, self.variable + FILE_SUFFIX) if self.secret else (self.variable,)

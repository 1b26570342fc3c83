"""What a store shows of a row: its content, without the key and without the guard's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ifmatch.core.representation import Representation
from ifmatch.store.steps import Change, Row


@dataclass(frozen=True, slots=True)
class Contents:
    """The content columns of a table, by name."""

    names: Sequence[str]

    def of(self, row: Row) -> dict[str, Any]:
        """The content of a whole row."""
        return {name: row[name] for name in self.names}

    def on_row(self, change: Change) -> Change:
        """A change of contents as a change of whole rows."""
        return lambda row: change(self.of(row))

    def shown(self, made: Representation[Row]) -> Representation[Row]:
        """A representation of a whole row as one of its content."""
        return made.with_value(self.of(made.value))

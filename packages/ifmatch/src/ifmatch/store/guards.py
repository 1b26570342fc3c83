"""The names of the guard columns; a table may have several guards.

Each guard watches the columns of one resource that is made of the table: what people edit, and the
same with what merely happens to it. The first guard has no name, and its columns are `version`,
`incarnation`, `tag` and `tag_stamp`; those of a guard named `overview` are `overview_version` and
so on. In the rows that `GuardedRows` sees they have the short names, whichever guard it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from ifmatch.core.errors import ImpossibleDeclaration

MEMBERS = ("version", "incarnation", "tag", "tag_stamp")
"""The columns of a guard, as a row has them."""


def guard_column(guard: str, member: str) -> str:
    """The column of a guard as the table has it.

    >>> guard_column("", "version"), guard_column("overview", "version")
    ('version', 'overview_version')
    """
    return f"{guard}_{member}" if guard else member


def columns_of_guards(names: Iterable[str]) -> frozenset[str]:
    """Those of a table's columns that belong to a guard, whichever: they are no content.

    >>> sorted(columns_of_guards(["id", "tag", *(f"a_{member}" for member in MEMBERS)]))
    ['a_incarnation', 'a_tag', 'a_tag_stamp', 'a_version']
    """
    there = frozenset(names)
    guards = {one.removesuffix("incarnation") for one in there if one.endswith("incarnation")}
    sets = [{f"{prefix}{member}" for member in MEMBERS} for prefix in guards]
    return frozenset().union(*(one for one in sets if one <= there))


def refuse_columns(seen: Iterable[str], needed: Iterable[str]) -> None:
    """Raise ImpossibleDeclaration for content of which a row could not be made.

    `seen` are the columns of the content and the key; `needed` those of the facts of the moment.
    """
    there = frozenset(seen)
    if taken := there & frozenset(MEMBERS):
        raise ImpossibleDeclaration(
            f"A guard's row has a column {min(taken)!r} of its own, so none of the content can be "
            "called that. Leave it out of the columns, or give the column another name."
        )
    if unseen := frozenset(needed) - there:
        raise ImpossibleDeclaration(
            f"The facts of the moment need {min(unseen)!r}, which is not among the columns that "
            "are read. Add it to them, and to those that the guard's triggers watch."
        )

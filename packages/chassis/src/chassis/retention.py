"""What is deleted when it is old, so that no table grows for ever.

Rows go in small batches, each a short transaction, with a pause between: writers wait for a batch
and never for all of them. What is still referred to stays. Of the processes that serve one
database, one prunes at a time: whoever moves the hour forward, by a guarded UPDATE.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import Column

from chassis.database import Database
from chassis.schema import api_key, deployment, session, sign_in_link

BATCH = 500
PAUSE_SECONDS = 0.05
EVERY_SECONDS = 3600
DAY_SECONDS = 24 * 3600

_PRUNED = "pruned"

Referred = Callable[[Sequence[Any]], Set[Any]]


def _nothing(_keys: Sequence[Any]) -> Set[Any]:
    return frozenset()


@dataclass(frozen=True)
class Rule:
    """Which rows of a table may go: those for which `old` holds, unless they are `referred` to.

    `key` is the column that finds a row. `referred` gives, of a batch of keys, those that something
    else still speaks of.
    """

    what: str
    database: Database
    key: Column[Any]
    old: ColumnElement[bool]
    referred: Referred = _nothing


@dataclass(frozen=True)
class Pruned:
    """What a rule came to: how many rows went, or would."""

    what: str
    rows: int


def own_rules(
    database: Database, now: float, revoked_key_days: int, referred: Referred, never: str
) -> list[Rule]:
    """Those of the database of keys; `never` is the id of a key whose revocation must be kept.

    A key that another one took the place of stays while that one does: it is its history. A day
    count of 0 keeps for ever.
    """
    instant = int(now)
    rules = [
        Rule("sessions", database, session.c.digest, session.c.expires <= instant),
        Rule("sign-in links", database, sign_in_link.c.digest, sign_in_link.c.expires <= instant),
    ]
    if revoked_key_days:
        long_ago = instant - revoked_key_days * DAY_SECONDS
        ended = or_(api_key.c.revoked <= long_ago, api_key.c.expires <= long_ago)
        later = api_key.alias("later")
        replaced = exists().where(later.c.replaces == api_key.c.id)
        old = and_(ended, api_key.c.id != never, ~replaced)
        rules.append(Rule("revoked and expired keys", database, api_key.c.id, old, referred))
    return rules


def prune(
    rules: Sequence[Rule],
    *,
    dry_run: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    pause: Callable[[float], None] = time.sleep,
) -> list[Pruned]:
    """Delete what the rules let go of; with `dry_run` only count it.

    Ends early, between two batches, once `stopping` says so.
    """
    return [_prune(rule, dry_run, stopping, pause) for rule in rules]


def _prune(
    rule: Rule, dry_run: bool, stopping: Callable[[], bool], pause: Callable[[float], None]
) -> Pruned:
    rows = 0
    for keys in _batches(rule):
        if stopping():
            break
        spared = rule.referred(keys)
        going = [key for key in keys if key not in spared]
        if dry_run:
            rows += len(going)
        elif going:
            rows += _delete(rule, going)
            pause(PAUSE_SECONDS)
    return Pruned(rule.what, rows)


def _batches(rule: Rule) -> Iterator[list[Any]]:
    """The keys of the old rows, a batch at a time, from the lowest on."""
    query = select(rule.key).where(rule.old).order_by(rule.key).limit(BATCH)
    after: Any = None
    while True:
        with rule.database.reading() as connection:
            later = query if after is None else query.where(rule.key > after)
            keys = list(connection.execute(later).scalars())
        if not keys:
            return
        yield keys
        after = keys[-1]


def _delete(rule: Rule, keys: Sequence[Any]) -> int:
    """Judged once more in the statement that deletes: a row may have become young meanwhile."""
    statement = delete(rule.key.table).where(rule.key.in_(keys), rule.old)
    with rule.database.writing() as connection:
        return int(connection.execute(statement).rowcount)


def claim(database: Database, now: float, every: int = EVERY_SECONDS) -> bool:
    """Whether it is this process that prunes now. Of all that ask within `every` s, one does."""
    instant, due = f"{int(now):020}", f"{int(now) - every:020}"  # they compare as texts
    moved = (
        update(deployment)
        .where(deployment.c.name == _PRUNED, deployment.c.value <= due)
        .values(value=instant)
    )
    with database.writing() as connection:
        if connection.execute(moved).rowcount:
            return True
        known = select(deployment.c.name).where(deployment.c.name == _PRUNED)
        if connection.execute(known).first() is not None:
            return False
        try:
            with connection.begin_nested():
                connection.execute(insert(deployment).values(name=_PRUNED, value=instant))
            return True
        except IntegrityError:  # another process was first
            return False

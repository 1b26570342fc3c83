"""What the front page shows: the products with their state, and what conditional requests saved.

Only of products that the one who asks may enter. Requests for the front page itself are not
counted: to look at the figures would change them, and no poll for them would ever be a 304.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chassis.installation import Installation
from chassis.product import Fact, Product
from chassis.rights import Principal
from chassis.savings import Totals
from ifmatch import ETag, Representation, canonical
from ifmatch.core.tags import state_digest

READY_SECONDS = 2.0
"""How long an answer about the databases holds: it takes longer than all the rest."""

log = logging.getLogger("chassis.overview")

_COUNTED = ("requests", "not_modified", "bytes_saved", "unknown", "refused", "required")


class Overview:
    """Makes the overview of an installation. Whether databases are ready is asked now and then."""

    def __init__(
        self, installation: Installation, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._installation = installation
        self._monotonic = monotonic
        self._known: tuple[float, Mapping[str, str]] = (-math.inf, {})

    def of(self, principal: Principal) -> Representation[dict[str, Any]]:
        """All that the principal may see, as JSON with its state tag. Asks each product."""
        wrong = self._not_ready()
        counted = self._installation.savings.totals()
        mine = [one for one in self._installation.products if principal.may_enter(one.name)]
        items = [
            {"name": product.name, "title": product.title}
            | self._state(product, principal, wrong.get(product.name))
            | _figures([counted[product.name]])
            for product in mine
        ]
        total = _figures([counted[product.name] for product in mine])
        since = min(one.since for one in counted.values())
        document = {"since": _instant(since), "total": total, "items": items}
        body = canonical(document)
        return Representation(document, body, ETag(state_digest(body), weak=True))

    def _not_ready(self) -> Mapping[str, str]:
        now = self._monotonic()
        asked, found = self._known
        if now - asked >= READY_SECONDS:
            found = self._installation.not_ready()
            self._known = (now, found)
        return found

    def _state(self, product: Product, principal: Principal, wrong: str | None) -> dict[str, Any]:
        """Whether it is ready, and what it says of itself; `wrong` ends with what to do."""
        if wrong is not None:
            return _wrong(f"Its database {wrong}. {_REMEDIES[wrong]}")
        try:
            facts = list(product.state(self._installation.context(product), principal))
        except Exception:
            log.exception("%s cannot say how it is", product.name)
            return _wrong("It cannot say how it is. Look at the log.")
        return {"ready": True, "wrong": None, "facts": [_fact(fact) for fact in facts]}


def _wrong(said: str) -> dict[str, Any]:
    return {"ready": False, "wrong": said, "facts": []}


_REMEDIES = {
    "has migrations to do": "Run 'migrate', then start the server again.",
    "does not answer": "Start the database, or look at the log.",
}


def _fact(fact: Fact) -> dict[str, Any]:
    value = fact.value
    kind = "instant" if isinstance(value, datetime) else "number"
    if isinstance(value, str):
        kind = "text"
    shown = _instant(value) if isinstance(value, datetime) else value
    return {"label": fact.label, "value": shown, "kind": kind, "by": fact.by}


def _figures(counted: Sequence[Totals]) -> dict[str, Any]:
    """Sums, and the share of answers that were 304, in percent to one place."""
    sums = {name: sum(getattr(one, name) for one in counted) for name in _COUNTED}
    share = round(100 * sums["not_modified"] / sums["requests"], 1) if sums["requests"] else 0.0
    return {**sums, "full": sums["requests"] - sums["not_modified"], "share": share}


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

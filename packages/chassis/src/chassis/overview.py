"""What the front page shows: the products with their state, and what conditional requests saved.

Only of products that the one who asks may enter. Requests for the front page itself are not
counted: to look at the figures would change them, and no poll for them would ever be a 304.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from chassis.installation import Installation
from chassis.product import Fact, Product
from chassis.rights import Principal
from ifmatch import ETag, Representation, canonical
from ifmatch.core.tags import state_digest

log = logging.getLogger("chassis.overview")

_COUNTED = ("requests", "not_modified", "bytes_saved", "unknown", "refused", "required")


def overview(installation: Installation, principal: Principal) -> Representation[dict[str, Any]]:
    """The whole of it as a JSON document, with its state tag. Asks every product."""
    wrong = installation.not_ready()
    counted = installation.savings.totals()
    mine = [one for one in installation.products if principal.may_enter(one.name)]
    products = [
        _entry(product, _state(installation, product, principal, wrong))
        | _figures([counted[product.name]])
        for product in mine
    ]
    total = _figures([counted[product.name] for product in mine])
    since = min((counted[product.name].since for product in mine), default=datetime.now(UTC))
    document = {"since": _instant(since), "total": total, "items": products}
    body = canonical(document)
    return Representation(document, body, ETag(state_digest(body), weak=True))


def _entry(product: Product, state: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": product.name, "title": product.title, **state}


def _state(
    installation: Installation, product: Product, principal: Principal, wrong: Mapping[str, str]
) -> dict[str, Any]:
    """Whether it is ready, and what it says of itself; `wrong` ends with what to do."""
    if product.name in wrong:
        said = f"Its database {wrong[product.name]}. {_REMEDIES[wrong[product.name]]}"
        return {"ready": False, "wrong": said, "facts": []}
    try:
        facts = list(product.state(installation.context(product), principal))
    except Exception:
        log.exception("%s cannot say how it is", product.name)
        return {"ready": False, "wrong": "It cannot say how it is. Look at the log.", "facts": []}
    return {"ready": True, "wrong": None, "facts": [_fact(fact) for fact in facts]}


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


def _figures(counted: Iterable[Any]) -> dict[str, Any]:
    """Sums, and the share of answers that were 304, in percent to one place."""
    rows = list(counted)
    sums = {name: sum(getattr(row, name) for row in rows) for name in _COUNTED}
    share = round(100 * sums["not_modified"] / sums["requests"], 1) if sums["requests"] else 0.0
    return {**sums, "full": sums["requests"] - sums["not_modified"], "share": share}


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

"""Sample flags, for a first look: `quartet serve --demo`."""

from __future__ import annotations

from typing import Any

from chassis.product import Context
from chassis.rights import Principal, Role
from flagbit.app import ENVIRONMENTS
from flagbit.db import DEFAULT_PROJECT, FlagDatabase, FlagQuery
from flagbit.rules import normal_flag, normal_state
from flagbit.settings import COMPARISON

ADA = Principal("", "Ada (sample)", Role.ADMIN)
GRACE = Principal("", "Grace (sample)", Role.ADMIN)


def _flag(key: str, kind: str, description: str, **more: Any) -> dict[str, Any]:
    variants: dict[str, Any] = more.pop("variants", {"on": True, "off": False})
    default = more.pop("default", "off")
    return {
        "key": key,
        "type": kind,
        "description": description,
        "variants": variants,
        "default_variant": default,
        "off_variant": default,
    } | more


FLAGS = [
    _flag(
        "checkout-redesign",
        "boolean",
        "The new checkout, for a tenth of the customers.",
        tags=["checkout", "experiment"],
        client_visible=True,
    ),
    _flag(
        "dark-mode",
        "boolean",
        "Dark colours for those who ask for them.",
        tags=["ui"],
        client_visible=True,
    ),
    _flag(
        "search-page-size",
        "integer",
        "Results on a page of search.",
        tags=["search"],
        variants={"small": 10, "large": 50},
        default="small",
    ),
    _flag(
        "support-banner",
        "object",
        "What the support banner says.",
        tags=["ui", "support"],
        variants={"none": {}, "holidays": {"text": "We are back on 2 January.", "tone": "info"}},
        default="none",
        client_visible=True,
    ),
]

STATES: dict[tuple[str, str], dict[str, Any]] = {
    ("checkout-redesign", "production"): {
        "enabled": True,
        "rules": [
            {
                "id": "staff",
                "description": "Everybody who works here",
                "conditions": [
                    {"attribute": "email", "op": "ends_with", "values": ["@example.test"]}
                ],
                "serve": {"variant": "on"},
            }
        ],
        "fallthrough": {"split": {"on": 10, "off": 90}},
    },
    ("dark-mode", "production"): {
        "enabled": True,
        "rules": [
            {
                "id": "asked",
                "conditions": [{"attribute": "theme", "op": "equals", "values": ["dark"]}],
                "serve": {"variant": "on"},
            }
        ],
        "fallthrough": {"variant": "off"},
    },
    ("dark-mode", "development"): {"enabled": True, "fallthrough": {"variant": "on"}},
}


def fill(context: Context) -> None:
    """Put the samples in, unless there are flags already."""
    db = FlagDatabase(context.database, context.settings.of(COMPARISON))
    db.ensure_project(DEFAULT_PROJECT, ENVIRONMENTS)
    if db.flags(DEFAULT_PROJECT, FlagQuery()).value:
        return
    for flag in FLAGS:
        values = normal_flag(flag)
        key = values.pop("key")
        db.write(ADA, db.flag, (DEFAULT_PROJECT, key), lambda *_: {}, insert=values)
    for (key, environment), state in STATES.items():
        full = normal_state(state)
        db.write(
            GRACE,
            db.state,
            (DEFAULT_PROJECT, key, environment),
            lambda _connection, _row, full=full: full,  # type: ignore[misc]
        )

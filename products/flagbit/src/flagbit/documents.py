"""What FlagBit sends: a JSON document of each row. Its tag is made of its canonical form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]

EPOCH = "1"
"""Raised by whoever changes a function here: it voids the tags that are stored beside the rows."""


def _stamps(row: Row) -> dict[str, Any]:
    return {"created": row["created"], "updated": row["updated"], "revision": row["version"]}


def project(row: Row) -> dict[str, Any]:
    return {
        "key": row["key"],
        "name": row["name"],
        "require_conditions": row["require_conditions"],
    } | _stamps(row)


def environment(row: Row) -> dict[str, Any]:
    return {"key": row["key"], "name": row["name"]} | _stamps(row)


def flag(row: Row) -> dict[str, Any]:
    return {
        "key": row["key"],
        "type": row["type"],
        "description": row["description"],
        "tags": row["tags"],
        "variants": row["variants"],
        "default_variant": row["default_variant"],
        "off_variant": row["off_variant"],
        "client_visible": row["client_visible"],
        "archived": row["archived"],
    } | _stamps(row)


def state(row: Row) -> dict[str, Any]:
    return {
        "flag": row["flag"],
        "environment": row["environment"],
        "enabled": row["enabled"],
        "rules": row["rules"],
        "fallthrough": row["fallthrough"],
        "off_variant": row["off_variant"],
    } | _stamps(row)


def audit(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "at": row["at"],
        "actor": row["actor"],
        "key_id": row["key_id"],
        "action": row["action"],
        "kind": row["kind"],
        "flag": row["flag"],
        "environment": row["environment"],
        "before": row["before"],
        "after": row["after"],
        "etag": row["etag"],
    }


Document = Callable[[Row], dict[str, Any]]

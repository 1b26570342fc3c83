"""/keys: the API keys that are valid in FlagBit, as every product has them."""

from __future__ import annotations

from typing import Any

from chassis.content import refused
from chassis.key_api import KeyPlace, Place
from chassis.keys import Keys
from chassis.rights import Principal
from flagbit.api.resources import Resources
from flagbit.db import DEFAULT_PROJECT
from ifmatch import ETag

PRODUCT = "flagbit"


def place(resources: Resources, keys: Keys) -> KeyPlace:
    """Keys are made for the project of the key that makes them, and the audit tells of them."""
    db = resources.db

    def check(wanted: Place) -> None:
        _, project, environment = wanted
        if (
            environment
            and db.tag(db.environment, (project or DEFAULT_PROJECT, environment)) is None
        ):
            raise refused(
                "/environment",
                "Name one that exists.",
                f"There is no environment {environment}. "
                f"GET {resources.location('environments')} lists them.",
            )

    def record(
        who: Principal, before: dict[str, Any] | None, after: dict[str, Any], etag: ETag
    ) -> None:
        db.record_key(who, before, after, etag)

    def project_of(who: Principal) -> str:
        return who.project or DEFAULT_PROJECT

    return KeyPlace(keys, PRODUCT, resources.location, project_of, check, record)

"""What makemigrations says when the models derive from GuardedModel, and the triggers."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations

from ifmatch.store.django import (
    AddGuardTriggers,
    IncarnationField,
    RandomIncarnation,
    TagField,
    VersionField,
)


def guard(model: str) -> list[Any]:
    hidden: dict[str, Any] = {"editable": False, "serialize": False}
    drawn = RandomIncarnation()
    return [
        migrations.AddField(model, "version", VersionField(default=1, db_default=1, **hidden)),
        migrations.AddField(model, "incarnation", IncarnationField(db_default=drawn, **hidden)),
        migrations.AddField(model, "tag", TagField(max_length=64, null=True, **hidden)),
        migrations.AddField(model, "tag_stamp", TagField(max_length=200, null=True, **hidden)),
        AddGuardTriggers(model),
    ]


class Migration(migrations.Migration):  # type: ignore[misc]
    dependencies: ClassVar = [("notes", "0001_initial")]
    operations: ClassVar = [*guard("note"), *guard("paper")]

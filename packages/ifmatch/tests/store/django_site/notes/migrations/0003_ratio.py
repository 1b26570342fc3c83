"""One field more, which the triggers have to watch, too."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models

from ifmatch.store.django import AddGuardTriggers, DropGuardTriggers


class Migration(migrations.Migration):  # type: ignore[misc]
    dependencies: ClassVar = [("notes", "0002_guard")]
    operations: ClassVar = [
        DropGuardTriggers("note"),
        migrations.AddField("note", "ratio", models.FloatField(default=0.5, db_default=0.5)),
        AddGuardTriggers("note"),
    ]

"""As the tables were before anybody thought of ifmatch."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models

from ifmatch.store.django import CanonicalJSONField

AUTOMATIC: dict[str, Any] = {
    "auto_created": True,
    "primary_key": True,
    "serialize": False,
    "verbose_name": "ID",
}


class Migration(migrations.Migration):  # type: ignore[misc]
    initial = True
    dependencies: ClassVar[list[Any]] = []
    operations: ClassVar = [
        migrations.CreateModel(
            "Folder",
            [("id", models.BigAutoField(**AUTOMATIC)), ("name", models.TextField())],
        ),
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(**AUTOMATIC)),
                ("owner", models.TextField()),
                ("number", models.IntegerField()),
                ("title", models.TextField()),
                ("n", models.IntegerField(default=0, db_default=0)),
                ("data", CanonicalJSONField(null=True)),
            ],
            {
                "ordering": ["-title"],
                "constraints": [
                    models.UniqueConstraint(fields=["owner", "number"], name="note_key")
                ],
            },
        ),
        migrations.CreateModel(
            "Paper",
            [
                ("slug", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("folder", models.ForeignKey("notes.folder", models.CASCADE, null=True)),
                ("price", models.DecimalField(max_digits=8, decimal_places=2, default=0)),
                ("extra", models.JSONField(null=True)),
                ("due", models.DateField(null=True)),
                ("serial", models.IntegerField(unique=True, null=True)),
                (
                    "words",
                    models.GeneratedField(
                        expression=models.functions.Upper("slug"),
                        output_field=models.CharField(max_length=40),
                        db_persist=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "Line",
            [
                ("id", models.BigAutoField(**AUTOMATIC)),
                ("paper", models.ForeignKey("notes.paper", models.CASCADE)),
            ],
        ),
    ]

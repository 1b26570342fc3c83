"""Models of the tests: one as the contract's table has it, one with fields of many kinds."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from ifmatch.store.django import CanonicalJSONField, GuardedModel


class Note(GuardedModel):
    """What the contract writes; the key is unique, and no primary key."""

    owner = models.TextField()
    number = models.IntegerField()
    title = models.TextField()
    n = models.IntegerField(default=0, db_default=0)
    data = CanonicalJSONField(null=True)
    ratio = models.FloatField(default=0.5, db_default=0.5)

    class Meta:
        ordering: ClassVar = ["-title"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "number"], name="note_key")
        ]


class Folder(models.Model):  # type: ignore[misc]
    name = models.TextField()


class Paper(GuardedModel):
    """Its key is the primary key."""

    slug = models.CharField(max_length=40, primary_key=True)
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    extra = models.JSONField(null=True)
    due = models.DateField(null=True)
    serial = models.IntegerField(unique=True, null=True)
    words = models.GeneratedField(
        expression=models.functions.Upper("slug"),
        output_field=models.CharField(max_length=40),
        db_persist=True,
    )


class Line(models.Model):  # type: ignore[misc]
    """Goes with its paper, by Django's own cascade."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE)

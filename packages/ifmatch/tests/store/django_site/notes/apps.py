from __future__ import annotations

from django.apps import AppConfig


class NotesConfig(AppConfig):  # type: ignore[misc]
    name = "packages.ifmatch.tests.store.django_site.notes"
    label = "notes"
    default_auto_field = "django.db.models.BigAutoField"

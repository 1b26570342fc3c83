"""The stores that there are, by name."""

from __future__ import annotations

DATABASES = ("sqlite", "postgresql")
"""Through SQLAlchemy, and the databases themselves."""

DJANGO = ("django-sqlite", "django-postgresql")
ON_POSTGRESQL = ["postgresql", "psycopg", "psycopg-async", "django-postgresql"]
ON_DATABASES = ["sqlite", "sqlite3", "django-sqlite", *ON_POSTGRESQL]
STORES = ["memory", *ON_DATABASES]

"""The stores that there are, by name."""

from __future__ import annotations

DATABASES = ("sqlite", "postgresql")
"""Through SQLAlchemy, and the databases themselves."""

AWAITED = ("sqlalchemy-async-sqlite", "sqlalchemy-async-postgresql")
DJANGO = ("django-sqlite", "django-postgresql")
ON_DATABASES = [*DATABASES, *AWAITED, "sqlite3", "psycopg", "psycopg-async", *DJANGO]
ON_POSTGRESQL = [kind for kind in ON_DATABASES if "sqlite" not in kind]
STORES = ["memory", *ON_DATABASES]

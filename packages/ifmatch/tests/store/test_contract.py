"""Every store of ours keeps the contract: see `ifmatch.testing.store_contract`."""

from __future__ import annotations

from ifmatch.testing.store_contract import StoreContract


class TestEachStore(StoreContract):
    """In memory, in SQLite and in PostgreSQL, by each driver; `shelf` and `excusing` name them."""

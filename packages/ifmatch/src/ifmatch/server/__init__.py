"""Adapters: each brings the decisions of `ifmatch.core` to one kind of server or framework."""

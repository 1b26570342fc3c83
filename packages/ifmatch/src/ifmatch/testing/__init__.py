"""Test kits for those who build on ifmatch, or beside it."""

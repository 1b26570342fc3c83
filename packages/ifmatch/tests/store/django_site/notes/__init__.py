"""A Django app with guarded models, for the tests."""

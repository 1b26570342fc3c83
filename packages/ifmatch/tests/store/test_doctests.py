"""The examples in the docstrings of the stores run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import ifmatch.store

MODULES = [f"ifmatch.store.{found.name}" for found in pkgutil.iter_modules(ifmatch.store.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_say_what_happens(name: str, request: pytest.FixtureRequest) -> None:
    if name == "ifmatch.store.django":  # Django has to be configured where a model is declared
        request.getfixturevalue("django_site")
    assert doctest.testmod(importlib.import_module(name)).failed == 0

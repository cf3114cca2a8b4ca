"""The examples in the docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import medfusion.data

MODULES = [
    module.name
    for module in pkgutil.walk_packages(medfusion.data.__path__, "medfusion.data.")
    if not module.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0

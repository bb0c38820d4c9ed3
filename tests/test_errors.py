"""Every public exception has one base class, and what a typed program needs is in the package."""

from __future__ import annotations

import inspect
from pathlib import Path

import hubcharlstm
from hubcharlstm import errors


def test_every_exception_derives_from_the_base_class_and_is_exported() -> None:
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]
    assert len(classes) == 6
    for one in classes:
        assert issubclass(one, errors.HubCharLSTMError)
        assert getattr(hubcharlstm, one.__name__) is one
    assert issubclass(errors.EngineError, RuntimeError)
    for one in (errors.BusyError, errors.DamagedModelError, errors.HubError, errors.NotAModelError):
        assert issubclass(one, ValueError)


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(hubcharlstm.__file__).parent / "py.typed").is_file()

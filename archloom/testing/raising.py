"""Errors that a contract requires, and errors that say in which setting a contract was broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def located(where: str) -> Iterator[None]:
    """An error inside becomes an AssertionError whose message begins with `where`."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{where}: {error if isinstance(error, AssertionError) else repr(error)}") from error


@contextmanager
def must_raise(kind: type[Exception], what: str) -> Iterator[None]:
    """An AssertionError about `what` unless the block raises an error of this kind."""
    try:
        yield
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__} instead of {kind.__name__}: {error}") from error
    raise AssertionError(f"{what} did not raise {kind.__name__}")

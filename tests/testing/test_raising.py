"""What a contract requires to be refused, and where it was broken."""

from __future__ import annotations

import pytest

from archloom.testing.raising import located, must_raise


def test_the_error_asked_for_passes_and_any_other_is_an_assertion_error() -> None:
    with must_raise(KeyError, "it"):
        raise KeyError("k")
    with (
        pytest.raises(AssertionError, match=r"^it raised ValueError instead of KeyError: no$"),
        must_raise(KeyError, "it"),
    ):
        raise ValueError("no")
    with pytest.raises(AssertionError, match=r"^it did not raise KeyError$"), must_raise(KeyError, "it"):
        pass


def test_an_error_says_where_it_was_raised() -> None:
    with pytest.raises(AssertionError, match=r"^here: first$"), located("here"):
        raise AssertionError("first")
    with pytest.raises(AssertionError, match=r"^here: KeyError\('k'\)$"), located("here"):
        raise KeyError("k")

from __future__ import annotations

import signal
import threading

import pytest

from archloom.utils.interrupts import Interrupts, PutOff


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_is_told_from_an_exception_of_that_kind() -> None:
    with Interrupts() as interrupts:
        assert not interrupts.meant(KeyboardInterrupt()), "raised by whoever was called"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupts.meant(KeyboardInterrupt()) and interrupts.meant(ValueError()), "whatever came of it"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_cannot_be_known_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def elsewhere() -> None:
        with Interrupts() as interrupts:
            found.extend([interrupts.meant(KeyboardInterrupt()), interrupts.meant(ValueError())])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        elsewhere()
    finally:
        signal.signal(signal.SIGINT, before)
    assert found == [True, False] * 2


@pytest.mark.usefixtures("hears_ctrl_c")
def test_the_first_ctrl_c_is_put_off_and_the_second_is_not() -> None:
    with PutOff() as interrupted:
        assert not interrupted.came
        signal.raise_signal(signal.SIGINT)
        assert interrupted.came
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

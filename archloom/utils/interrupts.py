"""Telling Ctrl-C from a `KeyboardInterrupt` that a user's code raises itself."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """A context that notices whether SIGINT comes. Afterwards its handler is what it was before.

    Only where Python's own handler is in place, and in the main thread, can that be known.
    """

    def __enter__(self) -> Interrupts:
        self._came = False
        self._before: Any = None
        in_main = threading.get_ident() == threading.main_thread().ident
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def meant(self, error: BaseException) -> bool:
        """Whether an exception is to end the program: the user has interrupted it, or nobody can tell."""
        return self._came or (self._before is None and isinstance(error, KeyboardInterrupt))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        signal.default_int_handler(number, frame)

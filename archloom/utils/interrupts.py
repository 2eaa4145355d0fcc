"""What is made of Ctrl-C: told from a `KeyboardInterrupt` that a user's code raises itself, or put off."""

from __future__ import annotations

import signal
import threading
from abc import ABC, abstractmethod
from types import FrameType
from typing import Any, Self


class _Noticing(ABC):
    """A context that notices whether SIGINT comes. Afterwards its handler is what it was before.

    Only where Python's own handler is in place, and in the main thread, can that be known.
    """

    def __enter__(self) -> Self:
        self._came = False
        self._before: Any = None
        in_main = threading.get_ident() == threading.main_thread().ident
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    @abstractmethod
    def _note(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGINT."""


class Interrupts(_Noticing):
    """A context that notices Ctrl-C, which interrupts as ever."""

    def meant(self, error: BaseException) -> bool:
        """Whether an exception is to end the program: the user has interrupted it, or nobody can tell."""
        return self._came or (self._before is None and isinstance(error, KeyboardInterrupt))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        signal.default_int_handler(number, frame)


class PutOff(_Noticing):
    """A context in which the first Ctrl-C is only noted, in `came`, so that what is half done can be finished.

    A second one interrupts as ever.
    """

    @property
    def came(self) -> bool:
        return self._came

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._came:
            signal.default_int_handler(number, frame)
        self._came = True

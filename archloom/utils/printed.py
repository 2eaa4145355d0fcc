"""What code prints, passed on and remembered, so that a failed trial can be told with it."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any, TextIO, cast

MOST = 65_536
"""How much is remembered, in characters: the end of it."""


class Memory:
    """The end of a text that comes in pieces."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._size = 0

    def add(self, piece: str) -> None:
        self._pieces.append(piece[-MOST:])
        self._size += len(self._pieces[-1])
        while self._size - len(self._pieces[0]) >= MOST:
            self._size -= len(self._pieces.popleft())

    def clear(self) -> None:
        self._pieces.clear()
        self._size = 0

    @property
    def text(self) -> str:
        return "".join(self._pieces)[-MOST:]


class MemoryInFile(Memory):
    """A memory that is also in a file, for whoever reads that when this process has died."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def add(self, piece: str) -> None:
        super().add(piece)
        if os.fstat(self._descriptor).st_size > 4 * MOST:
            os.ftruncate(self._descriptor, 0)
            piece = self.text
        os.write(self._descriptor, piece.encode(errors="backslashreplace"))

    def clear(self) -> None:
        super().clear()
        os.ftruncate(self._descriptor, 0)


class Echo:
    """A text stream that passes on what is written to another one (None: nowhere) and remembers the end of it.

    Everything else is the other stream's own: its buffer, its descriptor, its encoding.
    """

    def __init__(self, stream: TextIO | None, memory: Memory) -> None:
        self._stream = stream
        self.memory = memory

    def write(self, text: Any) -> int:
        if not isinstance(text, str):  # libraries find out in this way whether a stream takes bytes
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.memory.add(text)
        return len(text) if self._stream is None else self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def echo(stream: TextIO | None, memory: Memory) -> TextIO:
    """An `Echo` of a stream, as a stream."""
    return cast("TextIO", Echo(stream, memory))


class Printed:
    """A context in which standard output and standard error are remembered; `text` is the end of it.

    Only what Python prints through them is: what C libraries and child processes print goes past. Afterwards both are
    the streams that they were before, whatever the code has made of them.
    """

    def __enter__(self) -> Printed:
        self._out, self._err = sys.stdout, sys.stderr
        if isinstance(
            self._err, Echo
        ):  # a worker remembers all the time, also for what took hold of the stream earlier
            self._memory = self._err.memory
            self._memory.clear()
        else:
            self._memory = Memory()
            sys.stdout, sys.stderr = echo(self._out, self._memory), echo(self._err, self._memory)
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._out, self._err

    @property
    def text(self) -> str:
        return self._memory.text

"""The wires between the kernels of a board: bounded queues of frames.

A queue carries chunks, arrays whose first axis counts frames, so that one hand-over can move many
small frames. A full queue stops its producer, as a FIFO does.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

Chunk = NDArray[np.generic]


class ClosedError(Exception):
    """The board was reset; the thread that sees this ends."""


class FrameQueue:
    """A FIFO of frames between one producer and one consumer.

    Args:
        limit: Frames after which the producer waits; a single chunk may overshoot it.

    Attributes:
        passed: Frames taken since the start.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: deque[Chunk] = deque()
        self._frames = 0
        self.passed = 0
        self._closed = False
        self._change = threading.Condition()

    def put(self, chunk: Chunk) -> None:
        """Append frames, waiting while the queue is full.

        Raises:
            ClosedError: The board was reset.
        """
        with self._change:
            while self._frames >= self._limit and not self._closed:
                self._change.wait()
            if self._closed:
                raise ClosedError
            self._chunks.append(chunk)
            self._frames += len(chunk)
            self._change.notify_all()

    def ready(self) -> int:
        """Wait for frames and return how many the first chunk has.

        Raises:
            ClosedError: The board was reset.
        """
        with self._change:
            while not self._chunks and not self._closed:
                self._change.wait()
            if self._closed:
                raise ClosedError
            return len(self._chunks[0])

    def take(self, most: int) -> Chunk:
        """Wait for frames and remove at most so many, all of one chunk.

        Raises:
            ClosedError: The board was reset.
        """
        self.ready()
        with self._change:
            if self._closed:
                raise ClosedError
            chunk = self._chunks.popleft()
            if len(chunk) > most:
                self._chunks.appendleft(chunk[most:])
                chunk = chunk[:most]
            self._frames -= len(chunk)
            self.passed += len(chunk)
            self._change.notify_all()
            return chunk

    def close(self) -> None:
        """End every wait; the content is lost."""
        with self._change:
            self._closed = True
            self._chunks.clear()
            self._change.notify_all()

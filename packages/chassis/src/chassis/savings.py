"""What conditional requests saved and prevented here since the start, by product.

Each worker process counts in a file of its own, which nobody else writes; the sum is over all of
them, those of workers that are gone included. Alone, a process counts in memory.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ifmatch.core.decide import SAFE_METHODS
from ifmatch.server.metrics import Exchange, Lengths

FRONT = ""
"""The name that everything outside the products is counted under."""

_LENGTHS = "lengths"
_COUNTS = "savings-"
_WORD = 8


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted for one product, or for several together.

    `bytes_saved` is content that 304 answers did not send, as far as its length was known; for
    `unknown` of them it was not. `refused` are writes answered 412: changes of somebody else that
    would have been lost. `required` are writes without a condition answered 428.
    """

    requests: int
    not_modified: int
    bytes_saved: int
    unknown: int
    refused: int
    required: int
    since: datetime

    def __add__(self, other: Totals) -> Totals:
        """Both together, since the earlier of the two."""
        return Totals(
            self.requests + other.requests,
            self.not_modified + other.not_modified,
            self.bytes_saved + other.bytes_saved,
            self.unknown + other.unknown,
            self.refused + other.refused,
            self.required + other.required,
            min(self.since, other.since),
        )


_FIELDS = ("requests", "not_modified", "bytes_saved", "unknown", "refused", "required")
_NOT_MODIFIED, _PRECONDITION_FAILED, _PRECONDITION_REQUIRED = 304, 412, 428


class Savings:
    """Counts for the products of one server; `shared` is the folder that its processes share.

    Made in each process, with the same names in the same order. Any of them may be asked for the
    totals; a file of its own it gets when it counts for the first time.
    """

    def __init__(
        self,
        products: Sequence[str],
        shared: Path | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._names = (FRONT, *products)
        self._shared = shared
        self._began = int(now())
        self._own: memoryview | None = None
        self.lengths = Lengths(None if shared is None else _table(shared))

    def counter(self, product: str) -> Callable[[Exchange], None]:
        """What counts the answers of a product: from one thread, that of the event loop."""
        at = 1 + self._names.index(product) * len(_FIELDS)

        def count(exchange: Exchange) -> None:
            words = self._own
            if words is None:
                words = self._own = self._counts()
            words[at] += 1
            status = exchange.status
            if status == _NOT_MODIFIED:
                words[at + 1] += 1
                if exchange.unsent is None:
                    words[at + 3] += 1
                else:
                    words[at + 2] += exchange.unsent
            elif status == _PRECONDITION_FAILED and exchange.method not in SAFE_METHODS:
                words[at + 4] += 1
            elif status == _PRECONDITION_REQUIRED:
                words[at + 5] += 1

        return count

    def totals(self) -> dict[str, Totals]:
        """By product, `FRONT` for what is outside of them, over all processes of this server."""
        found = [*self._all()]
        began = min((words[0] for words in found), default=self._began)
        since = datetime.fromtimestamp(min(began, self._began), UTC)
        sums = iter([sum(column) for column in zip(*found, strict=True)][1:] or [0] * self._size)
        return {
            name: Totals(**{field: next(sums) for field in _FIELDS}, since=since)
            for name in self._names
        }

    @property
    def _size(self) -> int:
        return 1 + len(self._names) * len(_FIELDS)

    def _counts(self) -> memoryview:
        """The words that this process counts in: when it began, then its counters."""
        size = self._size * _WORD
        if self._shared is None:
            words = memoryview(bytearray(size)).cast("Q")
        else:
            number, path = tempfile.mkstemp(prefix=f".{_COUNTS}", dir=self._shared)
            words = _mapped(number, size).cast("Q")
            words[0] = self._began
            # Under this name it is read by others, who must not meet it half made.
            Path(path).rename(self._shared / Path(path).name.removeprefix("."))
        words[0] = self._began
        return words

    def _all(self) -> Iterator[memoryview]:
        if self._shared is None:
            if self._own is not None:
                yield self._own
            return
        for path in self._shared.glob(f"{_COUNTS}*"):
            yield memoryview(path.read_bytes()).cast("Q")


def _table(shared: Path) -> memoryview:
    """The table of lengths that all processes of the folder share."""
    number = os.open(shared / _LENGTHS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return _mapped(number, Lengths.ENTRIES * 2 * _WORD)


def _mapped(number: int, size: int) -> memoryview:
    """The file of that descriptor in memory, as long as that; closes the descriptor."""
    try:
        os.ftruncate(number, size)
        return memoryview(mmap.mmap(number, size))
    finally:
        os.close(number)

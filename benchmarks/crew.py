"""Processes that begin at one moment, and threads in them that do.

    with Crew(5) as crew:
        crew.run([(writers, "a"), (writers, "b"), ...])    # five jobs, one for each process

A job is a function of a module with its arguments. What it has to prepare it does first; then it
calls `meet()`, its first argument, which returns when every job has come so far. It may be called
again later: each job as often as the others.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple[Any, ...]

_MEETING_SECONDS = 600
_barrier: Barrier | None = None


def _join(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 (a barrier can only be handed over when a process starts)
    _barrier = barrier


def _meet() -> None:
    assert _barrier is not None
    _barrier.wait(_MEETING_SECONDS)


def _work(job: Callable[..., T], arguments: Sequence[Any]) -> T:
    try:
        return job(_meet, *arguments)
    except BaseException:
        if _barrier is not None:
            _barrier.abort()  # nobody waits for whom will not come
        raise


class Crew:
    """So many processes, started afresh: they share nothing with this one but what they are told.

    They stay for any number of runs.
    """

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.size = size
        self._pool = ProcessPoolExecutor(size, context, _join, (context.Barrier(size),))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def run(self, jobs: Sequence[Job]) -> list[Any]:
        """What each job returned; raises what one of them raised."""
        if len(jobs) != self.size:
            raise ValueError(f"{len(jobs)} jobs for {self.size} processes: give one for each")
        begun = [self._pool.submit(_work, job, arguments) for job, *arguments in jobs]
        failures = [failure for one in begun if (failure := one.exception()) is not None]
        for failure in failures:  # rather than that the others heard of it
            if not isinstance(failure, threading.BrokenBarrierError):
                raise failure
        return [one.result() for one in begun]


def together(count: int, meet: Callable[[], None], work: Callable[[int], T]) -> list[T]:
    """What `work` returned in each of `count` threads, begun when everybody has met."""
    ready = threading.Barrier(count + 1)

    def begun(number: int) -> T:
        ready.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(begun, number) for number in range(count)]
        try:
            meet()
        except BaseException:
            ready.abort()
            raise
        ready.wait()
        return [one.result() for one in running]

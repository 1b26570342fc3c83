"""How often a key and an address may ask. Each process counts for itself, its share of the rates.

Whoever fails to sign in, or sends a key that is not known, pays from a second, smaller bucket of
the address. When that one is empty, only keys are looked up from there that were right here before:
guessing is slow, and nobody who works is locked out by somebody else's guesses.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable

from chassis.problems import Problem
from chassis.rate import Buckets, Rate

GUESSES_A_SECOND = 0.2
GUESSES_AT_ONCE = 20


class Limits:
    """The limits of one process of an installation."""

    def __init__(
        self,
        per_key: Rate,
        per_address: Rate,
        workers: int = 1,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        guesses = Rate(GUESSES_A_SECOND if per_address.rate else 0, GUESSES_AT_ONCE)
        self._keys = Buckets(per_key.share(workers), clock=clock)
        self._addresses = Buckets(per_address.share(workers), clock=clock)
        self._guesses = Buckets(guesses.share(workers), clock=clock)

    def of_address(self, host: str | None) -> None:
        """Count a request of an address; raises Problem 429."""
        _refuse(self._addresses.take(network(host)), "Your address sends")

    def of_key(self, key_id: str) -> None:
        """Count a request of a key; raises Problem 429."""
        _refuse(self._keys.take(key_id), "This key is used for")

    def before_guess(self, host: str | None) -> None:
        """Raise Problem 429 where the address has guessed too often to try another key."""
        wait = self._guesses.wait(network(host))
        _refuse(wait, "Your address sent too many keys that are not known, and asks")

    def after_guess(self, host: str | None) -> None:
        """Count a key, a link or a session of an address that was none."""
        self._guesses.take(network(host))


def network(host: str | None) -> str:
    """The name of an address's bucket: itself, or the /64 of IPv6, which one customer is given.

    >>> network("2001:db8:1:2:3:4:5:6")
    '2001:db8:1:2::'
    """
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return ""  # such as a Unix socket: all of them are one
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))


def _refuse(seconds: float, who: str) -> None:
    if seconds <= 0:
        return
    wait = max(1, math.ceil(seconds))
    raise Problem(
        429,
        "too-many-requests",
        f"{who} more requests than are let through. Nothing was done. Send this again in {wait} "
        f"second{'s' if wait > 1 else ''}, and poll less often.",
        headers={"Retry-After": str(wait)},
        retry_after=wait,
    )

"""Tests talk to this machine only: any other address is refused before a packet leaves.

Guards the sockets that Python opens in this process, not those of libraries in C.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any


class OutsideNetwork(RuntimeError):
    """A test tried to leave the machine. Not an OSError, so that no code under test swallows it."""

    def __init__(self, host: object) -> None:
        super().__init__(
            f"a test tried to reach {host!r}; next: serve it on 127.0.0.1 in the test, "
            "or hand in a transport"
        )


def is_local(host: object) -> bool:
    """Loopback, the unspecified address, or the name localhost."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or not host:
        return not host  # None and "" mean any address of this machine
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def close_network() -> Callable[[], None]:
    """Refuse everything that is not local from now on. Returns the way back."""
    kept: dict[tuple[Any, str], Any] = {}

    def replace(owner: Any, name: str, guarded: Callable[..., Any]) -> None:
        kept[owner, name] = getattr(owner, name)
        setattr(owner, name, wraps(kept[owner, name])(guarded))

    def guard_socket(name: str, address_at: int) -> None:
        original = getattr(socket.socket, name)

        def guarded(self: socket.socket, *args: Any) -> Any:
            address = args[address_at] if args else None
            if isinstance(address, tuple) and not is_local(address[0]):
                raise OutsideNetwork(address[0])
            return original(self, *args)

        replace(socket.socket, name, guarded)

    resolve = socket.getaddrinfo

    def guarded_resolve(host: Any, *args: Any, **options: Any) -> Any:
        if not (is_local(host) or _is_address(host)):
            raise OutsideNetwork(host)
        return resolve(host, *args, **options)

    guard_socket("connect", 0)
    guard_socket("connect_ex", 0)
    guard_socket("sendto", -1)
    replace(socket, "getaddrinfo", guarded_resolve)

    def reopen() -> None:
        for (owner, name), original in kept.items():
            setattr(owner, name, original)

    return reopen


def _is_address(host: object) -> bool:
    """Numbers are not looked up, so asking about them sends nothing."""
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True

"""Who may say where a request comes from: the proxies that are named, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

Start = Callable[..., Any]
CLAIMED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}

pytestmark = pytest.mark.timeout(300)


def where(server: Any, headers: dict[str, str], source: str = "127.0.0.1") -> dict[str, str]:
    """What the server believes of a request from that address of this machine."""
    transport = httpx2.HTTPTransport(local_address=source)
    with httpx2.Client(transport=transport, timeout=60) as client:
        answer = client.get(f"{server.url}/notebook/asked-by", headers=headers)
        found: dict[str, str] = answer.json()
    return found


def test_a_stranger_is_not_believed_and_a_named_proxy_is(program: Start) -> None:
    """The second address is the twin: the same fields, from one that is named."""
    server = program("serve", "--port", "0", QUARTET_TRUSTED_PROXIES="127.0.0.2,10.0.0.0/8")
    assert where(server, CLAIMED) == {"client": "127.0.0.1", "scheme": "http"}
    assert where(server, CLAIMED, "127.0.0.2") == {"client": "203.0.113.7", "scheme": "https"}


def test_of_a_chain_the_nearest_that_no_proxy_of_ours_is_counts(program: Start) -> None:
    """What a client put in front of it is not believed: proxies add on the right."""
    server = program("serve", "--port", "0", QUARTET_TRUSTED_PROXIES="127.0.0.2,10.0.0.0/8")
    for chain, client in [
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
        ("10.0.0.9, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.2, 203.0.113.7, 127.0.0.2", "203.0.113.7"),
    ]:
        assert where(server, {"X-Forwarded-For": chain}, "127.0.0.2")["client"] == client

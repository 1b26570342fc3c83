"""Tests talk to this machine only."""

import socket
import urllib.request

import pytest

from harness.network import OutsideNetwork, is_local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost", "a.localhost", ""])
def test_this_machine_is_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.test", "localhost.test"])
def test_everything_else_is_not(host: str) -> None:
    assert not is_local(host)


def test_a_connection_to_another_address_is_refused() -> None:
    with socket.socket() as sock, pytest.raises(OutsideNetwork, match=r"192\.0\.2\.1"):
        sock.connect(("192.0.2.1", 80))


def test_a_name_is_not_even_looked_up() -> None:
    with pytest.raises(OutsideNetwork, match=r"example\.test"):
        urllib.request.urlopen("http://example.test/")


def test_a_datagram_is_refused() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        pytest.raises(OutsideNetwork),
    ):
        sock.sendto(b"", ("192.0.2.1", 9))


def test_local_connections_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()

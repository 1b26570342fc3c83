"""Event streams: who may hear them, what they say, what a reconnecting client gets, their end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.testclient import TestClient

from chassis.events import LONGEST, RESET, Channel, Event
from chassis.problems import Problem
from chassis.rights import Principal, Role
from chassis.stopping import Stopping

Start = Callable[..., Any]
ADA = Principal("key_1", "Ada", Role.READ)
OPEN = 50


async def everybody(_request: Request) -> Principal:
    return ADA


def read(content: bytes) -> list[dict[str, str]]:
    """The events of a stream, as a browser reads them."""
    events = []
    for block in content.decode().split("\n\n"):
        event: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            if name == "data" and "data" in event:
                event["data"] += "\n" + value
            elif name in ("id", "event", "data"):
                event[name] = value
        if event:
            events.append(event)
    return events


async def until(so: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(20):
        while not so():  # noqa: ASYNC110 (there is no event for what a test looks at)
            await asyncio.sleep(0.001)


class Client:
    """One client of a channel, without a network: what it was sent, and whether it reads."""

    def __init__(self, channel: Channel, last: str | None = None) -> None:
        fields = [] if last is None else [(b"last-event-id", last.encode())]
        self.scope = {"type": "http", "method": "GET", "path": "/", "headers": fields}
        self.channel = channel
        self.sent = b""
        self.messages: list[Any] = []
        self.leaving, self.reading = asyncio.Event(), asyncio.Event()
        self.reading.set()
        self.authorize: Callable[[Request], Awaitable[Principal]] = everybody

    async def receive(self) -> dict[str, str]:
        await self.leaving.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reading.wait()
        self.messages.append(message)
        self.sent += message.get("body", b"")

    async def run(self) -> None:
        answer = await self.channel.listen(Request(self.scope), self.authorize)
        await answer(self.scope, self.receive, self.send)

    async def heard(self, count: int) -> list[dict[str, str]]:
        """The events, when there are so many."""
        await until(lambda: len(read(self.sent)) >= count)
        return read(self.sent)


@asynccontextmanager
async def listening(client: Client) -> AsyncIterator[asyncio.Task[None]]:
    """The client's stream, which is open when the block begins."""
    before = client.channel.listeners
    task = asyncio.create_task(client.run())
    await until(lambda: client.channel.listeners > before)
    try:
        yield task
    finally:
        client.leaving.set()
        client.reading.set()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 20)


# -- what is said -----------------------------------------------------------------------------


def test_what_is_published_from_any_thread_is_heard_by_all_in_its_order() -> None:
    async def scene() -> None:
        channel = Channel(Stopping())
        ada, bob = Client(channel), Client(channel)
        async with listening(ada), listening(bob):
            await asyncio.to_thread(lambda: [channel.publish(str(n), "counted") for n in range(50)])
            first, second = await ada.heard(50), await bob.heard(50)
        assert first == second
        assert [event["data"] for event in first] == [str(n) for n in range(50)]
        assert {event["event"] for event in first} == {"counted"}
        assert channel.listeners == 0

    asyncio.run(scene())


@given(st.text(max_size=50))
def test_no_data_can_forge_an_event(data: str) -> None:
    plain = data.encode("utf-8", "replace").decode()
    (event,) = read(Event(data, "message", "1").encode())
    assert event["id"] == "1"
    assert event["data"] == plain.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("hostile", ["", "a\nb", "a\rb", "a\0b"])
def test_neither_can_a_kind_or_an_id(hostile: str) -> None:
    with pytest.raises(ValueError, match="Give printable characters"):
        Event("", hostile, "1")
    with pytest.raises(ValueError, match="Give printable characters"):
        Event("", "message", hostile)


def test_an_event_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match=f"Send {LONGEST} at most"):
        Channel(Stopping()).publish("x" * (LONGEST + 1))


def test_when_nothing_happens_something_is_sent() -> None:
    async def scene() -> None:
        client = Client(Channel(Stopping(), heartbeat=0.01))
        async with listening(client):
            await until(lambda: client.sent.count(b":\n\n") >= 3)
        assert read(client.sent) == []

    asyncio.run(scene())


# -- coming back ------------------------------------------------------------------------------


def again(channel: Channel, last: str | None) -> list[dict[str, str]]:
    """What a client hears that comes back, and then one event more."""

    async def scene() -> list[dict[str, str]]:
        client = Client(channel, last)
        async with listening(client):
            after = channel.publish("after")
            await until(lambda: client.sent.endswith(after.encode()))
            return read(client.sent)

    return asyncio.run(scene())


def test_who_comes_back_hears_what_was_missed_and_nothing_twice() -> None:
    channel = Channel(Stopping())
    ids = [channel.publish(str(number)).id for number in range(5)]
    assert [one["data"] for one in again(channel, ids[2])] == ["3", "4", "after"]


def test_who_comes_for_the_first_time_hears_what_is_new() -> None:
    channel = Channel(Stopping())
    channel.publish("before")
    assert [one["data"] for one in again(channel, None)] == ["after"]


@pytest.mark.parametrize("last", ["too old", "0123abcd-7", "'; DROP"])
def test_who_missed_more_than_is_kept_is_told_to_read_anew(last: str) -> None:
    channel = Channel(Stopping(), kept=3)
    oldest = channel.publish("0").id
    ids = [channel.publish(str(number)).id for number in range(1, 6)]
    reset, after = again(channel, oldest if last == "too old" else last)
    assert (reset["event"], reset["id"]) == (RESET, ids[-1])
    assert after["data"] == "after"


def test_ids_of_ones_own_are_found_again_in_another_process() -> None:
    one, other = Channel(Stopping()), Channel(Stopping())
    for channel in (one, other):
        for revision in (7, 8):
            channel.publish(f"r{revision}", id=str(revision))
    assert [event["data"] for event in again(other, "7")] == ["r8", "after"]


# -- the end ----------------------------------------------------------------------------------


def test_who_reads_too_slowly_is_dropped_and_others_are_not() -> None:
    async def scene() -> None:
        channel = Channel(Stopping(), waiting=10)
        slow, quick = Client(channel), Client(channel)
        async with listening(slow) as task, listening(quick):
            slow.reading.clear()
            for number in range(30):
                channel.publish(str(number))
                await quick.heard(number + 1)
            slow.reading.set()
            await asyncio.wait_for(asyncio.shield(task), 20)
            assert channel.listeners == 1
        assert len(read(slow.sent)) < 30
        assert slow.messages[-1].get("more_body", False) is False  # a whole answer: come again

    asyncio.run(scene())


def test_who_takes_nothing_at_all_does_not_stay() -> None:
    async def scene() -> None:
        channel = Channel(Stopping(), patience=0.05)
        client = Client(channel)
        async with listening(client) as task:
            client.reading.clear()
            channel.publish("x")
            await asyncio.wait_for(asyncio.shield(task), 20)
        assert channel.listeners == 0

    asyncio.run(scene())


def test_a_stream_ends_when_its_key_is_revoked() -> None:
    revoked = False

    async def authorize(_request: Request) -> Principal:
        if revoked:
            raise Problem(401, "not-authenticated", "No. Send a key.")
        return ADA

    async def scene() -> None:
        nonlocal revoked
        channel = Channel(Stopping(), heartbeat=0.05)
        client = Client(channel)
        client.authorize = authorize
        async with listening(client) as task:
            revoked = True
            await asyncio.wait_for(asyncio.shield(task), 20)
        assert client.messages[-1] == {"type": "http.response.body", "body": b""}

    asyncio.run(scene())


def test_all_streams_end_when_the_server_is_asked_to_stop_and_later_ones_at_once() -> None:
    async def scene() -> None:
        stopping = Stopping()
        channel = Channel(stopping)
        clients = [Client(channel) for _ in range(OPEN)]
        tasks = [asyncio.create_task(client.run()) for client in clients]
        await until(lambda: channel.listeners == OPEN)
        stopping.set()
        await asyncio.wait_for(asyncio.gather(*tasks, Client(channel).run()), 20)
        assert channel.listeners == 0

    asyncio.run(scene())


def test_one_loop_that_has_ended_keeps_nobody_from_hearing_of_the_stop() -> None:
    stopping = Stopping()
    ended = asyncio.new_event_loop()
    waiting = ended.create_task(stopping.wait())
    ended.run_until_complete(asyncio.sleep(0))

    async def scene() -> None:
        tasks = [asyncio.create_task(stopping.wait()) for _ in range(5)]
        await asyncio.sleep(0)
        stopping.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        ended.run_until_complete(waiting)
    stopping._waiting.add((ended, asyncio.Event()))  # as one that was cut off would leave it
    ended.close()
    asyncio.run(scene())


# -- who may listen ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nobody_listens_without_a_key(client: TestClient, method: str) -> None:
    refused = client.request(method, "/notebook/events", headers={"Last-Event-ID": "1"})
    assert refused.status_code == 401
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_more_than_it_can_bear_are_refused() -> None:
    async def scene() -> None:
        channel = Channel(Stopping(), most=1)
        async with listening(Client(channel)):
            with pytest.raises(Problem) as caught:
                await Client(channel).run()
        assert (caught.value.status_code, caught.value.headers) == (503, {"Retry-After": "60"})
        assert caught.value.slug == "too-many-listeners"

    asyncio.run(scene())


# -- the program ------------------------------------------------------------------------------


def open_streams(stack: ExitStack, url: str, key: dict[str, str], count: int) -> list[Any]:
    """So many streams that have begun, each on a connection of its own."""
    client = stack.enter_context(
        httpx2.Client(timeout=60, limits=httpx2.Limits(max_connections=None), headers=key)
    )
    streams = [stack.enter_context(client.stream("GET", url)) for _ in range(count)]
    for stream in streams:
        assert stream.status_code == 200
        assert stream.headers["Cache-Control"] == "no-store"
        assert stream.headers["Content-Type"].startswith("text/event-stream")
    return streams


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "words",
    [(), pytest.param(("--workers", "2", "--shared-sqlite"), marks=pytest.mark.full)],
    ids=["one-process", "two-processes"],
)
def test_many_open_streams_do_not_hold_up_the_stop(program: Start, words: tuple[str, ...]) -> None:
    server = program("serve", "--port", "0", *words)
    url, key = server.url, {"X-API-Key": server.admin_key}
    with ExitStack() as stack:
        streams = open_streams(stack, f"{url}/notebook/events", key, OPEN)
        if not words:
            told = httpx2.post(f"{url}/notebook/events?body=hello", timeout=60).json()
            assert told == {"listeners": OPEN, "length": 5}
        server.process.send_signal(signal.SIGTERM)
        with ThreadPoolExecutor(OPEN) as pool:
            heard = [*pool.map(lambda stream: stream.read(), streams)]
        assert server.wait() == 0
    assert "timeout graceful shutdown exceeded" not in server.err
    assert server.err == ""
    if not words:
        assert [[one["data"] for one in read(content)] for content in heard] == [["hello"]] * OPEN


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_client_that_does_not_read_does_not_hold_up_the_stop_either(program: Start) -> None:
    server = program("serve", "--port", "0")
    url, key = server.url, server.admin_key
    with socket.socket() as stuck, httpx2.Client(timeout=60) as client:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        fields = f"Host: x\r\nX-API-Key: {key}\r\n\r\n"
        stuck.sendall(f"GET /notebook/events HTTP/1.1\r\n{fields}".encode())
        assert stuck.recv(15) == b"HTTP/1.1 200 OK"
        for _ in range(90):  # more than all buffers on the way hold
            client.post(f"{url}/notebook/events", params={"body": "x" * 60_000})
        told = client.post(f"{url}/notebook/events", params={"body": "last"}).json()
        assert told == {"listeners": 1, "length": 4}
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0
    assert "timeout graceful shutdown exceeded" not in server.err


@pytest.mark.full
@pytest.mark.timeout(300)
def test_streams_that_hear_of_no_stop_hold_it_up_until_they_are_cut(program: Start) -> None:
    """The twin of the test above, without the guard."""
    server = program("serve", "--port", "0")
    url, key = server.url, {"X-API-Key": server.admin_key}
    with ExitStack() as stack:
        streams = open_streams(stack, f"{url}/notebook/deaf", key, OPEN)
        server.process.send_signal(signal.SIGTERM)
        with ThreadPoolExecutor(OPEN) as pool:
            [*pool.map(_cut, streams)]
        server.wait()
    assert f"Cancel {OPEN} running task(s), timeout graceful shutdown exceeded" in server.err


def _cut(stream: Any) -> None:
    with pytest.raises(httpx2.HTTPError):
        stream.read()

"""Single attempts against receivers that behave well, badly, or are not what they seem."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme
from receiver import Receiver, Reply, receiving

from fabric.outbound.addresses import Networks
from fabric.settings import Settings
from fabric.webhooks.client import Client, Outcome
from graphql_api.assembly import webhook_client

pytestmark = pytest.mark.anyio

HERE = Networks.parse(["127.0.0.0/8"])


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client(HERE, timeout=1.0) as client:
        yield client


async def post(client: Client, url: str, body: bytes = b"{}") -> Outcome:
    return await client.post(url, {"webhook-id": "x"}, body)


@contextmanager
def raw(*says: bytes, pause: float = 0.0) -> Iterator[str]:
    """A server that reads nothing and says this, bit by bit; its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                for part in says:
                    try:
                        connection.sendall(part)
                    except OSError:
                        break
                    time.sleep(pause)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Iterator[list[str]]:
    """Names resolve to each of these in turn, the last one for ever; yields the names that were asked for."""
    asked: list[str] = []

    def getaddrinfo(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        asked.append(str(host))
        addresses = answers[min(len(asked), len(answers)) - 1]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", getaddrinfo)
        yield asked


async def test_what_is_taken_is_delivered(client: Client, receiver: Receiver) -> None:
    for status in (200, 202, 204, 299):
        receiver.behaviour = lambda _, status=status: Reply(status)
        assert await post(client, receiver.url) == Outcome()
    assert [r.body for r in receiver.requests] == [b"{}"] * 4
    assert receiver.requests[0].headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [300, 301, 307, 308, 400, 404, 410, 429, 500, 503])
async def test_any_other_status_is_a_failure(client: Client, receiver: Receiver, status: int) -> None:
    receiver.behaviour = lambda _: Reply(status, {"location": receiver.url})
    outcome = await post(client, receiver.url)
    assert outcome.failure == f"HTTP_{status}"
    assert (outcome.gone, outcome.kind) == (status == 410, f"HTTP_{status // 100}XX")
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("-5", None), ("soon", None), ("", None), ("9" * 50, 999999999.0), ("²", None)],
)
async def test_a_receiver_may_ask_for_a_rest(
    client: Client, receiver: Receiver, header: str, seconds: float | None
) -> None:
    receiver.behaviour = lambda _: Reply(503, {"retry-after": header})
    assert (await post(client, receiver.url)).retry_after == seconds


async def test_the_rest_may_end_at_a_moment(client: Client, receiver: Receiver) -> None:
    receiver.behaviour = lambda _: Reply(503, {"retry-after": formatdate(time.time() + 60, usegmt=True)})
    rest = (await post(client, receiver.url)).retry_after
    assert rest is not None
    assert 50 < rest <= 60


async def test_answers_that_never_end_are_not_read_to_the_end(client: Client) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    began = time.monotonic()
    with raw(head, *[b"1\r\nx\r\n"] * 1000, pause=0.01) as url:
        assert await post(client, url) == Outcome()
    with raw(head, *[b"10000\r\n" + b"x" * 0x10000 + b"\r\n"] * 1000) as url:
        assert await post(client, url) == Outcome()
    assert time.monotonic() - began < 8


async def test_a_receiver_that_dawdles_runs_out_of_time(client: Client) -> None:
    with raw(b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 1000, pause=0.05) as url:
        assert await post(client, url) == Outcome("TIMEOUT")
    with raw(pause=5) as url, socket.create_server(("127.0.0.1", 0)) as silent:
        assert await post(client, f"http://127.0.0.1:{silent.getsockname()[1]}/") == Outcome("TIMEOUT")


@pytest.mark.parametrize(
    "says",
    [
        [b"SSH-2.0-OpenSSH_9\r\n\r\n"],
        [b"HTTP/1.1 abc\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 1_000_000],
        [b""],
    ],
    ids=["another protocol", "no status", "endless headers", "nothing"],
)
async def test_what_is_no_answer_is_a_failure(client: Client, says: list[bytes]) -> None:
    with raw(*says) as url:
        assert (await post(client, url)).failure in ("ANSWER", "CONNECTION")


async def test_where_nobody_listens_nothing_is_delivered(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert await post(client, f"http://127.0.0.1:{port}/") == Outcome("CONNECTION")


async def test_proxies_of_the_environment_are_not_used(
    client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await post(client, receiver.url) == Outcome()


# Addresses


async def test_addresses_that_are_not_allowed_are_not_connected_to(receiver: Receiver) -> None:
    async with Client(Networks.parse(["10.1.0.0/16"]), timeout=1.0) as client:
        for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"):
            assert await post(client, f"http://{host}:{receiver.port}/") == Outcome("ADDRESS")
            assert await post(client, f"https://{host}:{receiver.port}/") == Outcome("ADDRESS")
    assert receiver.requests == []


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["169.254.169.254", "192.168.0.1"], ["::1"], []])
async def test_a_name_of_no_fit_address_looks_like_one_of_none(
    client: Client, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    with resolving(monkeypatch, addresses):
        assert await post(client, "https://hooks.example/") == Outcome("ADDRESS")


async def test_of_several_addresses_only_fit_ones_are_tried(
    client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with resolving(monkeypatch, ["10.0.0.1", "127.0.0.9", "127.0.0.1"]):
        assert await post(client, f"http://hooks.example:{receiver.port}/in") == Outcome()
    assert receiver.requests[0].headers["host"] == f"hooks.example:{receiver.port}"


async def test_a_name_is_not_resolved_again_for_the_connection(
    client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer would lead inside: whoever asks twice connects there."""
    with receiving() as inside, resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"]) as asked:
        assert await post(client, f"http://hooks.example:{receiver.port}/") == Outcome()
        assert asked == ["hooks.example"]
        assert inside.requests == []
    async with Client(HERE, timeout=1.0) as another:
        with resolving(monkeypatch, ["10.0.0.1"], ["127.0.0.1"]) as asked:
            assert await post(another, f"http://hooks.example:{receiver.port}/") == Outcome("ADDRESS")
            assert len(asked) == 1


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@contextmanager
def over_tls(authority: trustme.CA, *names: str) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    with receiving(context=context) as receiver:
        yield receiver


async def test_a_certificate_is_checked_against_the_name(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Client(HERE, timeout=2.0, ca_file=ca_file) as client:
        with over_tls(authority, "hooks.example") as receiver, resolving(monkeypatch, ["127.0.0.1"]):
            assert await post(client, f"https://hooks.example:{receiver.port}/") == Outcome()
            assert await post(client, f"https://other.example:{receiver.port}/") == Outcome("TLS")
            assert await post(client, f"https://127.0.0.1:{receiver.port}/") == Outcome("TLS")
    assert len(receiver.requests) == 1


async def test_a_certificate_of_an_unknown_authority_is_refused(client: Client, authority: trustme.CA) -> None:
    with over_tls(authority, "127.0.0.1") as receiver:
        assert await post(client, receiver.url) == Outcome("TLS")
    assert receiver.requests == []


async def test_what_does_not_speak_tls_is_refused(client: Client, receiver: Receiver) -> None:
    assert await post(client, receiver.url.replace("http:", "https:")) == Outcome("TLS")


def test_a_file_that_holds_no_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name, reason in (("ca.pem", "FABRIC_WEBHOOK_CA_FILE"), ("absent.pem", "FABRIC_WEBHOOK_CA_FILE: No such file")):
        with pytest.raises(ValueError, match=reason):
            webhook_client(Settings(webhook_ca_file=tmp_path / name))


async def test_being_cancelled_leaves_nothing_behind(client: Client, receiver: Receiver) -> None:
    def slow(_: Any) -> Reply:
        time.sleep(0.3)
        return Reply()

    receiver.behaviour = slow
    for _ in range(20):
        task = asyncio.create_task(post(client, receiver.url))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    receiver.behaviour = lambda _: Reply()
    assert await post(client, receiver.url) == Outcome()

"""`serve` and `demo` as processes: how they end, and what becomes of the embedded database."""

import asyncio
import json
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import THING, token
from databases import run_sql
from own_processes import command, folder, listens, wait_until

from fabric.database.embedded import EmbeddedPostgres
from fabric.demo import COUNTS, OFFICER, READERS


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """A data folder with a database that has the organization `acme`."""
    with folder() as path:
        subprocess.run(**command(path, "organization", "acme"), capture_output=True, check=True)
        yield path


@pytest.fixture
def data_dir(prepared: Path) -> Iterator[Path]:
    """A copy of it."""
    with folder() as path:
        subprocess.run(["cp", "-a", f"{prepared}/.", path], check=True)
        yield path


@dataclass
class Served:
    process: subprocess.Popen[str]
    url: str

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Sends the signal; the exit code, and the rest of the log. One that does not end is killed."""
        limit = threading.Timer(90, self.process.kill)
        limit.start()
        self.process.send_signal(number)
        assert self.process.stderr
        rest = self.process.stderr.read()
        limit.cancel()
        return self.process.wait(30), rest


@contextmanager
def serving(data_dir: Path, **settings: str) -> Iterator[Served]:
    started = command(data_dir, "serve", "--port", "0", FABRIC_LOG_FORMAT="json", **settings)
    with subprocess.Popen(**started, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            url = next(found["url"] for line in process.stderr if "url" in (found := json.loads(line)))
            yield Served(process, url)
        finally:
            process.kill()


def printed_token(data_dir: Path) -> str:
    made = subprocess.run(**command(data_dir, *token()), capture_output=True, check=True)
    assert made.stderr == ""
    return str(made.stdout.strip())


def query(url: str, token: str, text: str) -> Any:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(url, json={"query": text}, headers=headers, timeout=30).json()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_server_and_the_embedded_database(data_dir: Path, number: signal.Signals) -> None:
    with serving(data_dir) as served:
        assert query(served.url, printed_token(data_dir), "{ viewer { subject clearance } }") == {
            "data": {"viewer": {"subject": "ann", "clearance": "SECRET"}}
        }
        assert "server" not in httpx.get(served.url.replace("/graphql", "/healthz")).headers
        assert listens(data_dir)
        code, log = served.end(number)
    assert code == 0
    assert "Traceback" not in log
    assert not listens(data_dir)


def test_a_signal_stops_a_server_that_has_a_database_of_its_own(server_url: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with serving(tmp_path, FABRIC_DATABASE_URL=server_url) as served:
        code, log = served.end(signal.SIGTERM)
    assert code == 0
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["stopped"]
    assert not (tmp_path / "postgres").exists()


def test_a_killed_server_leaves_what_the_next_start_takes_over(data_dir: Path) -> None:
    with serving(data_dir) as served:
        served.process.kill()
    assert listens(data_dir)
    with serving(data_dir) as served:
        assert "errors" not in query(served.url, printed_token(data_dir), "{ viewer { subject } }")
        assert served.end(signal.SIGTERM)[0] == 0
    assert not listens(data_dir)


def test_a_request_that_does_not_end_keeps_the_server_no_longer_than_the_grace(data_dir: Path) -> None:
    with serving(data_dir, FABRIC_SHUTDOWN_GRACE_SECONDS="1") as served:
        subprocess.run(**command(data_dir, "organization", "acme"), capture_output=True, check=True)
        admitted = printed_token(data_dir)
        port = int(served.url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as unfinished:
            head = ("POST /graphql HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 10",
                    f"Authorization: Bearer {admitted}", "", "{")  # fmt: skip
            unfinished.sendall("\r\n".join(head).encode())
            time.sleep(0.2)
            started = time.monotonic()
            code, _ = served.end(signal.SIGTERM)
            taken = time.monotonic() - started
    assert code == 0
    assert 1 <= taken < 6


def test_an_interrupted_command_stops_the_database_it_started(data_dir: Path) -> None:
    started = command(data_dir, "import", "jsonl", "-", "--organization", "acme")
    with subprocess.Popen(**started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(json.dumps({"define": THING}) + "\n")
        process.stdin.write(
            "".join(json.dumps({"type": "Thing", "key": {"name": str(i)}}) + "\n" for i in range(50_000))
        )
        process.stdin.close()
        process.stdin = None
        wait_until(lambda: listens(data_dir))
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == ""
    assert not listens(data_dir)


def test_the_demo_answers_its_readers_and_is_filled_once_whatever_happens_meanwhile(data_dir: Path) -> None:
    with subprocess.Popen(**command(data_dir, "demo", "--port", "0"), stdout=subprocess.PIPE) as broken_off:
        wait_until(lambda: listens(data_dir))
        time.sleep(1)
        broken_off.kill()
    first, printed = demo_of(data_dir)
    assert len({posted(line)[1] for line in printed}) == len(set(first)) == len((*READERS, OFFICER))
    assert not any("errors" in json.loads(answer) for answer in first)
    stored = "select (select count(*) from fabric.objects) + (select count(*) from fabric.links) as both, " \
             "(select max(position) from fabric.events) as position"  # fmt: skip
    with EmbeddedPostgres(data_dir) as postgres:
        (before,) = asyncio.run(run_sql(postgres.admin_url, stored))
        assert before["both"] == COUNTS["type"] + COUNTS["link"]
        second, _ = demo_of(data_dir)
        assert asyncio.run(run_sql(postgres.admin_url, stored)) == [before]
    assert second == first


def demo_of(data_dir: Path) -> tuple[list[str], list[str]]:
    """Starts the demo, runs what it prints, ends it: the answers, and the commands."""
    with subprocess.Popen(**command(data_dir, "demo", "--port", "0"), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            printed = []
            while len(printed) < len((*READERS, OFFICER)) + 1:
                line = process.stdout.readline()
                assert line, "ended before its time"
                printed += [line] if line.startswith("curl ") else []
            answers = [httpx.post(url, content=body, headers=headers_of(line)).text
                       for line in printed for url, body in [posted(line)] if '"ID"' not in body]  # fmt: skip
            [unlocking] = [line for line in printed if '"ID"' in line]
            printed.remove(unlocking)
            url, body = posted(unlocking)
            [someone, *_] = json.loads(answers[-1])["data"]["crewMembers"]["nodes"]
            content = body.replace('"ID"', json.dumps(someone["id"]))
            answer = httpx.post(url, content=content, headers=headers_of(unlocking)).json()
            unlocked = answer["data"]["unlockField"]["value"]
            assert unlocked.endswith(someone["nationalId"]["hint"]), answer
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
    return answers, printed


def posted(line: str) -> tuple[str, str]:
    """The URL and the body of a curl command."""
    words = shlex.split(line)
    return next(word for word in words if word.startswith("http://")), words[words.index("-d") + 1]


def headers_of(line: str) -> dict[str, str]:
    words = shlex.split(line)
    return dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")

import ast
import io
import json
import logging
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import structlog

from fabric import log

ROOT = Path(__file__).parent.parent
CANARY = "canary-7f3a"


class Recorder:
    """Configures the log and reads what it wrote."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def configure(self, log_format: str = "json", log_level: str = "debug") -> None:
        log.configure(log_format, log_level, self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def recorder(untouched_log: None) -> Recorder:
    return Recorder()


def ours() -> Any:
    return structlog.stdlib.get_logger("fabric.example")


def test_an_event_has_its_level_logger_time_and_request(recorder: Recorder) -> None:
    recorder.configure()
    with log.request("r-1") as request_id:
        ours().info("objects.written", type="Asset", count=3)
    ours().info("after")
    first, second = recorder.events
    assert request_id == "r-1"
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "objects.written", "level": "info", "logger": "fabric.example", "request_id": "r-1",
        "type": "Asset", "count": 3,
    }  # fmt: skip
    assert "request_id" not in second


@pytest.mark.parametrize("incoming", [None, "", "a b", "a\nb", "x" * 65])
def test_an_unfit_request_id_is_replaced(incoming: str | None) -> None:
    with log.request(incoming) as request_id:
        assert uuid.UUID(request_id).version == 4


def test_libraries_speak_in_the_same_form(recorder: Recorder) -> None:
    recorder.configure()
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s:%d", "127.0.0.1", 8000)
    logging.getLogger("alembic.runtime.migration").info("Running upgrade %s -> %s", "", "0001")
    with log.request("r-2"):
        logging.getLogger("asyncpg").warning("slow")
    running, upgrade, slow = recorder.events
    assert running["event"] == "Uvicorn running on 127.0.0.1:8000"
    assert upgrade["event"] == "Running upgrade  -> 0001"
    assert (slow["event"], slow["level"], slow["request_id"]) == ("slow", "warning", "r-2")


def test_the_level_is_ours_and_libraries_stay_quiet_below_warning(recorder: Recorder) -> None:
    recorder.configure(log_level="error")
    ours().warning("hidden")
    logging.getLogger("uvicorn.error").info("hidden")
    recorder.configure(log_level="debug")
    logging.getLogger("openai").debug("Request options: %s", CANARY)
    logging.getLogger("sqlalchemy.engine").info(CANARY)
    logging.getLogger("uvicorn.access").info("GET /graphql?query=%s", CANARY)
    assert recorder.text == ""


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "values",
    [
        {"value": CANARY},
        {"event_data": {"name": CANARY}},
        {"arguments": [CANARY]},
        {"payload": CANARY.encode()},
        {"url": f"postgresql://role:{CANARY}@host/db"},
        {"url": f"https://host/graphql?query={CANARY}"},
        {"reason": f"authorization was Bearer {CANARY}"},
        {"reason": f"password={CANARY}"},
        {"reason": f"token eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}"},
        {"reason": f"login with hvs.{CANARY}"},
    ],
)
def test_data_and_credentials_never_show(recorder: Recorder, log_format: str, values: dict[str, Any]) -> None:
    recorder.configure(log_format)
    ours().warning("something", **values)
    assert "something" in recorder.text
    assert CANARY not in recorder.text


def test_what_is_left_of_a_url_still_helps(recorder: Recorder) -> None:
    recorder.configure()
    ours().info("connected", url=f"postgresql://role:{CANARY}/@@host/db")
    assert recorder.events[0]["url"] == "postgresql://[redacted]host/db"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_shows_where_and_what_but_not_its_message(recorder: Recorder, log_format: str) -> None:
    recorder.configure(log_format)
    try:
        try:
            int(CANARY)
        except ValueError as error:
            raise ExceptionGroup(CANARY, [KeyError(CANARY)]) from error
    except ExceptionGroup:
        ours().exception("failed")
        logging.getLogger("asyncio").error("Task failed\nfuture: %s", CANARY, exc_info=True)
    assert CANARY not in recorder.text
    for shown in ("ExceptionGroup", "KeyError", "ValueError", "test_log.py"):
        assert recorder.text.count(shown) >= 2


def test_an_exception_tells_its_sqlstate_and_the_systems_reason() -> None:
    class Unique(Exception):
        sqlstate = "23505"

    assert log.Outline.of(Unique(CANARY))[0].endswith("Unique (SQLSTATE 23505)")
    assert log.Outline.of(ConnectionRefusedError(111, "Connection refused"))[0].endswith("(Connection refused)")


def test_a_library_shows_no_values_it_fills_in(recorder: Recorder) -> None:
    recorder.configure()
    logging.getLogger("somewhere").error("could not use %s", CANARY)
    assert recorder.events[0]["event"] == "could not use %s"


def test_a_line_stays_one_line(recorder: Recorder) -> None:
    recorder.configure("console")
    ours().info("asked", path="/a\nforged", reason="\x1b[2J")
    assert recorder.text.count("\n") == 1
    assert "\x1b" not in recorder.text


def test_configuring_again_does_not_double(recorder: Recorder) -> None:
    recorder.configure()
    recorder.configure()
    ours().info("once")
    assert len(recorder.events) == 1


def test_importing_configures_nothing() -> None:
    probe = "import logging, fabric.log, structlog; print(logging.getLogger().handlers, structlog.is_configured())"
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "[] False"


def test_our_events_are_constants() -> None:
    """What varies goes into keys, where it is looked at."""
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    for package in log.OURS:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logger" | "_log"), attr=level)):
                        if level in levels:
                            assert node.args, f"{path}:{node.lineno}"
                            assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"

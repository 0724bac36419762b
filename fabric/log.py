"""The log: structured events of this process and of its libraries, in one form, with nothing in it that must not leak.

What is shown is listed rather than what is hidden. A number, a truth value, a UUID or a time is shown under any key; a
text only under a key of `TEXT_KEYS`, and cleared of credentials; anything else by its type alone. An exception is shown
as where it happened and what class it has: its message may quote data. A library's message is shown without the values
that it would fill in.

Modules write `log = structlog.stdlib.get_logger(__name__)` and then `log.info("objects.written", type=name, count=3)`.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time, timedelta
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID, uuid4

import structlog
from structlog.typing import EventDict, WrappedLogger

OURS = ("vault", "fabric", "ontology", "graphql_api")

TEXT_KEYS = frozenset(
    "event level logger timestamp request_id organization operation action kind type field relation role permission"
    " method path status state code reason sqlstate backend model revision version task worker host address url"
    " database file setting encoding schema component key_name".split()
)
"""Keys whose text is shown. Names of things belong here; what users store, send or search for does not."""

PLAIN_SPOKEN = frozenset({"uvicorn.error", "alembic.runtime.migration"})
"""Loggers of libraries whose messages tell of addresses, processes and revisions only."""

_REDACTED = "[redacted]"
_CREDENTIALS = re.compile(
    r"(?P<url>[a-z][a-z0-9+.-]*://)\S*@"  # its user and password
    r"|(?P<name>\b(?:bearer|basic)\s+|\b(?:password|passwd|secret|token|api[_-]?key)\s*[=:]\s*|[?#](?=\S))\S+"
    r"|\beyJ[\w-]+\.[\w-]*\.[\w-]*"  # a JSON Web Token
    r"|\b(?:hv[sbr]\.|sk-|[sbr]\.(?=\w{20}))[\w.-]+",  # a token of Vault or OpenBao, an API key
    re.IGNORECASE,
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_MAX_FRAMES = 50


def configure(log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """Sends every logger to `stream` (standard error), as `json` lines or for a `console`.

    `log_level` is ours; libraries speak from `warning` on, for below it they quote what they are given.
    """
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_library_message, structlog.contextvars.merge_contextvars, *_common()],
        processors=[
            _outline_exception,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            *_renderers(log_format),
        ],
        use_get_message=False,
        pass_foreign_args=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):  # it brings handlers of its own
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name in PLAIN_SPOKEN:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelName(log_level.upper())))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


@contextmanager
def request(incoming: str | None = None) -> Iterator[str]:
    """Binds a request id to all that is logged inside, across awaits: the incoming one if it is fit, else a new one."""
    request_id = incoming if incoming and _REQUEST_ID.match(incoming) else uuid4().hex
    bound = structlog.contextvars.bind_contextvars(request_id=request_id)
    try:
        yield request_id
    finally:
        structlog.contextvars.reset_contextvars(**bound)


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The processor that decides what of an event is shown; see the module's docstring."""
    return {key: _shown(key, value) for key, value in event.items()}


def _common() -> list[Any]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderers(log_format: str) -> list[Any]:
    if log_format == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    plain = structlog.dev.plain_traceback
    return [_join_lines, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=plain)]


def _join_lines(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = "\n".join(event["exception"])
    return event


def _library_message(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A library's first line, the values in it only from libraries that fill in nothing of ours."""
    values = event.pop("positional_args", None)
    text = str(event["event"])
    if values and event["_record"].name in PLAIN_SPOKEN:
        text %= values
    event["event"] = text.partition("\n")[0]
    return event


def _shown(key: str, value: object) -> object:
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, UUID | date | time | timedelta):
        return str(value)
    if isinstance(value, Outline):
        return list(value)
    if isinstance(value, str | Path) and key in TEXT_KEYS:
        return _without_credentials(str(value)).translate(_CONTROLS)
    return f"[{type(value).__name__}]"


def _without_credentials(text: str) -> str:
    return _CREDENTIALS.sub(lambda found: f"{found['url'] or found['name'] or ''}{_REDACTED}", text)


class Outline(tuple[str, ...]):
    """An exception as lines that hold no data: its class and SQLSTATE, its frames, then what is in it or caused it."""

    @classmethod
    def of(cls, error: BaseException) -> "Outline":
        lines: list[str] = []
        waiting, seen = [error], {id(error)}
        while waiting:
            current = waiting.pop()
            lines += [_title(current), *_frames(current.__traceback__)]
            for other in _origins(current):
                if id(other) not in seen:
                    seen.add(id(other))
                    waiting.append(other)
        return cls(lines)


def _origins(error: BaseException) -> list[BaseException]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [*([cause] if cause else []), *reversed(members)]


def _title(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        return f"{name} (SQLSTATE {sqlstate[:5]})"
    return f"{name} ({error.strerror})" if isinstance(error, OSError) and error.strerror else name


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_MAX_FRAMES:]
    return [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _outline_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.pop("stack_info", None)
    error = event.pop("exc_info", None)
    if error is True or isinstance(error, tuple):
        error = (error if isinstance(error, tuple) else sys.exc_info())[1]
    if isinstance(error, BaseException):
        event["exception"] = Outline.of(error)
    return event

"""`semantic-fabric serve`: one process that answers HTTP until it is told to stop."""

import asyncio
import gc
import math
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import structlog
import typer
import uvicorn
from starlette.types import ASGIApp

from fabric import log as logging
from fabric.settings import Settings, variable
from graphql_api.app import create_app
from graphql_api.cli.database import Place, opened, place_of
from graphql_api.cli.failures import Refused, refusing
from graphql_api.cli.options import DatabaseUrl, DataDir, Host, Port, command_app, settings_of
from graphql_api.cli.readiness import prepare
from graphql_api.metrics import Metrics, served
from graphql_api.streaming.batched_websocket import BatchedWebSocket
from graphql_api.streaming.connections import Connections

app = command_app()
log = structlog.stdlib.get_logger(__name__)

SWITCH_SECONDS = 0.0005
"""How long a thread goes on that another waits for."""


@app.command()
def serve(
    context: typer.Context,
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve GraphQL over HTTP.

    The embedded database is started and migrated; another has to be migrated before. Ctrl-C stops.
    """
    settings = settings_of(context, host=host, port=port, data_dir=data_dir, database_url=database_url)
    logging.configure(settings.log_format, "warning")
    with listening(settings) as listener, place_of(settings) as place:
        asyncio.run(require_servable(settings, place))
        logging.configure(settings.log_format, settings.log_level)
        run(settings, place, listener, lambda url: log.info("serving", url=url))


def listening(settings: Settings) -> socket.socket:
    """The socket to serve from, bound before anything is started for it; clients cannot connect yet."""
    with refusing(OSError, saying=f"{settings.host}:{settings.port}: "):
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # ends what nobody reads, or hears, when all else has been tried
                patience = min(2 * settings.slow_consumer_seconds * 1000, 2**31 - 1)
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience))
            listener.bind(address)
        except OSError as error:
            listener.close()
            raise Refused(
                f"{settings.host}:{settings.port}: {error.strerror}: choose another --port or --host"
            ) from error
    return listener


async def require_servable(settings: Settings, place: Place) -> None:
    """Refused for what would keep the application from starting."""
    await prepare(place)
    async with opened(settings, place):
        pass


def run(settings: Settings, place: Place, listener: socket.socket, announce: Callable[[str], None]) -> None:
    """Serves until the process is told to stop; `announce` gets the URL once clients can connect."""
    with refusing(ValueError), refusing(OSError, saying=f"{variable('jwt_key_file')}: "):
        metrics = Metrics()
        connections = Connections(settings, metrics)
        admin_url = place.admin_url if place.admin_url != place.url else None
        application = create_app(settings, place.url, admin_url, metrics, connections)
    config = configured(application, settings)
    with _scraped(settings, metrics), suppress(KeyboardInterrupt):  # what uvicorn ends with when stopped as asked
        server = _Server(config, connections.stop, lambda: announce(_url(settings.host, listener)))
        server.run(sockets=[listener])
    log.info("stopped")


def configured(application: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the application.

    WebSockets are not compressed: what an attacker can put beside a secret would tell of it by the length, and each
    would take memory for it. Signs of life are the application's.
    """
    return uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        ws=BatchedWebSocket,
        ws_max_size=settings.max_body_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace_seconds),
    )


@contextmanager
def _scraped(settings: Settings, metrics: Metrics) -> Iterator[None]:
    with ExitStack() as serving:
        with refusing(OSError, saying=f"{settings.metrics_host}:{settings.metrics_port}: "):
            serving.enter_context(served(metrics, settings.metrics_host, settings.metrics_port))
        yield


class StoppingServer(uvicorn.Server):
    """Calls `stop` before it waits for all connections to end."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop()
        await super().shutdown(sockets)


class _Server(StoppingServer):
    def __init__(self, config: uvicorn.Config, stop: Callable[[], None], announce: Callable[[], None]) -> None:
        super().__init__(config, stop)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if signal.getsignal(signal.SIGHUP) is signal.default_int_handler:  # see `place_of`
            signal.signal(signal.SIGHUP, self.handle_exit)
        _smooth()
        self._announce()


def _smooth() -> None:
    """Lets nothing hold up requests for long.

    Not the garbage collector, by looking again and again at what is in memory for good; nor a thread that computes.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)


def _url(host: str, listener: socket.socket) -> str:
    """An address that a client on this machine can use."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{listener.getsockname()[1]}/graphql"

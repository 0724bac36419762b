"""The receiver that the documents show, run as they show it."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from hooks import ASSETS, created, make, until
from http_server import Tenant

from fabric.webhooks.courier import AT_ONCE, FAILING, MOST_DEAD, MOST_WAITING, REST
from fabric.webhooks.pace import JITTER, LONGEST_PAUSE
from fabric.webhooks.webhooks import Stop
from fabric.webhooks.worker import MOST

DOCS = Path(__file__).parent.parent.parent / "docs"
SECTION = (DOCS / "integrators.md").read_text("utf-8").partition("\n## Webhooks\n")[2].partition("\n## ")[0]
[EXAMPLE] = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@contextmanager
def running(app: Any) -> Iterator[str]:
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/fabric"
    finally:
        server.should_exit = True
        thread.join(10)


def test_the_receiver_of_the_document_hears_what_happens(assets: Tenant) -> None:
    heard: list[tuple[str, Any]] = []
    names: dict[str, Any] = {"SECRET": "whsec_AAAA", "print": lambda *told: heard.append(told)}
    exec(EXAMPLE, names)
    with running(names["app"]) as url:
        hook = created(assets, url, ASSETS)
        until(hook, lastFailure="HTTP_401")
        names["webhook"] = names["Webhook"](hook.secret)
        make(assets, "pump", "tank")
        until(hook, waiting=0)
        assert httpx.post(url, content=b"{}").status_code == 401
    assert sorted(type_ for type_, _ in heard) == ["object.created", "object.created", "webhook.ready"]
    assert {data["node"]["name"] for _, data in heard if "node" in data} == {"pump", "tank"}


def test_the_documents_name_the_limits() -> None:
    assert (AT_ONCE, FAILING, MOST_WAITING, MOST_DEAD, MOST) == (8, 3, 1_000, 1_000, 1_000)
    assert (LONGEST_PAUSE, JITTER, REST) == (3600, 0.2, 1)
    for words in ("up to eight at once", "three failures in a row", "While 1,000 messages", "there are 1,000 of them"):
        assert words in SECTION


def test_the_documents_name_every_reason_to_stop() -> None:
    rows = re.findall(r"(?m)^\| `([A-Z_]+)` \|", SECTION)
    assert set(rows) == set(Stop)

"""Webhooks as tests make them and ask of them."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from http_server import Tenant
from receiver import PATIENCE, Received
from standardwebhooks import Webhook as Verifier

MakePlace = Callable[[], AbstractContextManager[tuple[str, str]]]
"""A migrated database: the URLs to serve it and to administer it."""

SETTINGS: dict[str, Any] = {
    "webhook_allowed_networks": ("127.0.0.0/8",),
    "webhook_retry_seconds": 0.05,
    "webhook_give_up_hours": 1.0,
    "webhook_timeout_seconds": 1.0,
}
"""A server that may send to this machine, and loses no time."""

STATE = "state stoppedFor waiting lastFailure failingSince lastDeliveredAt deadLetters { totalCount }"


@dataclass(frozen=True)
class Hook:
    """A webhook that a test has made; `who` are the arguments of `Tenant.ask` that it was made with."""

    tenant: Tenant
    id: str
    secret: str
    who: dict[str, Any]

    def verified(self, request: Received) -> Any:
        """The message, if its signature is right, as a receiver's library sees it."""
        return Verifier(self.secret).verify(request.body, dict(request.headers))

    def state(self, fields: str = STATE) -> Any:
        query = f"query ($id: ID!) {{ webhook(webhookId: $id) {{ {fields} }} }}"
        return self.tenant.data(query, {"id": self.id}, **self.who)["webhook"]

    def do(self, mutation: str, selected: str = "webhook { state }", **who: Any) -> Any:
        """A mutation that takes nothing but the webhook."""
        query = f"mutation ($id: ID!) {{ {mutation}(webhookId: $id) {{ {selected} }} }}"
        return self.tenant.data(query, {"id": self.id}, **(self.who | who))[mutation]

    def update(self, changes: Any, **who: Any) -> Any:
        query = """mutation ($id: ID!, $i: UpdateWebhookInput!) {
            updateWebhook(webhookId: $id, input: $i) { webhook { owner revision } } }"""
        return self.tenant.data(query, {"id": self.id, "i": changes}, **(self.who | who))["updateWebhook"]["webhook"]


CREATE = "mutation ($i: CreateWebhookInput!) { createWebhook(input: $i) { secret webhook { webhookId } } }"


def created(tenant: Tenant, url: str, filter: Any, **who: Any) -> Hook:
    tenant.server.settle()
    made = tenant.data(CREATE, {"i": {"name": "hook", "url": url, "filter": filter}}, **who)["createWebhook"]
    return Hook(tenant, made["webhook"]["webhookId"], made["secret"], who)


ASSETS = {"changes": {"type": "Asset"}}


def make(tenant: Tenant, *names: str, **who: Any) -> list[str]:
    """Assets of these names, one after the other; their ids."""
    query = "mutation ($n: String!) { createAsset(input: {name: $n}) { asset { id } } }"
    return [tenant.data(query, {"n": name}, **who)["createAsset"]["asset"]["id"] for name in names]


def rate(tenant: Tenant, id: str, rating: float, **who: Any) -> None:
    query = "mutation ($i: ID!, $r: Float) { updateAsset(id: $i, input: {rating: $r}) { changed } }"
    assert tenant.data(query, {"i": id, "r": rating}, **who)["updateAsset"]["changed"]


def until(hook: Hook, **expected: Any) -> Any:
    """The webhook's state once it is as expected; None stands for null."""
    deadline = time.monotonic() + PATIENCE
    while True:
        state = hook.state()
        if all(state[name] == value for name, value in expected.items()):
            return state
        assert time.monotonic() < deadline, state
        time.sleep(0.03)

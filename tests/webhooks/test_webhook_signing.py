"""Signatures and ids: what a receiver's library accepts, and what it does not."""

import base64
import time
from uuid import UUID, uuid4

import pytest
from databases import COMPARTMENTS
from standardwebhooks import Webhook, WebhookVerificationError

from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.ids import delivery_id
from fabric.labels import Lattice
from fabric.webhooks.signing import secret, shown, signed_headers

ACME = Organization(uuid4(), "acme", bytes(range(32)), Lattice(COMPARTMENTS))
GLOBEX = Organization(uuid4(), "globex", bytes(range(1, 33)), Lattice(COMPARTMENTS))
HOOK, OTHER = UUID(int=1, version=4), UUID(int=2, version=4)
BODY = '{"type":"a.b","data":{"text":"über"}}'.encode()


def test_each_webhook_and_generation_has_a_secret_of_its_own() -> None:
    made = [secret(ACME, HOOK, 1), secret(ACME, HOOK, 2), secret(ACME, OTHER, 1), secret(GLOBEX, HOOK, 1)]
    assert len(set(made)) == 4
    assert {len(each) for each in made} == {32}
    assert secret(ACME, HOOK, 1) == made[0]
    assert shown(made[0]).startswith("whsec_")
    assert base64.b64decode(shown(made[0]).removeprefix("whsec_")) == made[0]
    assert ACME.secret not in made[0]


@pytest.mark.parametrize("generations", [[1], [2, 1], [1, 2]])
def test_a_library_accepts_what_is_signed(generations: list[int]) -> None:
    secrets = [secret(ACME, HOOK, each) for each in generations]
    headers = signed_headers(secrets, HOOK, int(time.time()), BODY)
    for each in secrets:
        assert Webhook(shown(each)).verify(BODY, headers)["data"] == {"text": "über"}
    assert headers["webhook-id"] == f"msg_{HOOK.hex}"


def test_a_library_refuses_everything_else() -> None:
    now = int(time.time())
    headers = signed_headers([secret(ACME, HOOK, 1)], HOOK, now, BODY)
    verifier = Webhook(shown(secret(ACME, HOOK, 1)))
    for body, changed in (
        (BODY + b" ", {}),
        (BODY, {"webhook-id": "msg_other"}),
        (BODY, {"webhook-timestamp": str(now + 1)}),
        (BODY, signed_headers([secret(ACME, OTHER, 1)], HOOK, now, BODY)),
        (BODY, signed_headers([secret(ACME, HOOK, 1)], HOOK, now - 3600, BODY)),
    ):
        with pytest.raises(WebhookVerificationError):
            verifier.verify(body, headers | changed)


def test_ids_of_messages_are_stable_and_tell_nothing() -> None:
    position = Position(700, 12)
    id = delivery_id(ACME, HOOK, position, 0)
    assert id == delivery_id(ACME, HOOK, position, 0)
    others = [
        delivery_id(ACME, HOOK, position, 1), delivery_id(ACME, HOOK, Position(700, 13), 0),
        delivery_id(ACME, OTHER, position, 0), delivery_id(GLOBEX, HOOK, position, 0),
    ]  # fmt: skip
    assert len({id, *others}) == 5

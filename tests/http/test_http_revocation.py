"""Revoked tokens, as an attacker holds them: nothing tells them from any bad token, and nothing gets past."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from http_server import GRAPHQL, Answer, Tenant, answer, eventually
from websocket_client import opened

from fabric.identity import revocations
from fabric.identity.revocations import revoke_subject, revoke_token
from fabric.identity.tokens import NOT_ACCEPTED
from fabric.secrets import token_secret

QUERY = "{ viewer { subject clearance } }"


def bearer(tenant: Tenant, **changes: Any) -> dict[str, str]:
    """A token with these claims changed; with ... left out."""
    settings = tenant.server.settings
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": settings.jwt_issuer, "aud": settings.jwt_audience, "iat": now, "exp": now + 3600, "jti": "t-1",
        "org": tenant.name, "sub": "ann", "roles": ["admin"], "clearance": "SECRET/ALPHA",
    } | changes  # fmt: skip
    secret = token_secret(settings.data_dir, settings.jwt_secret_file)
    given = {name: value for name, value in claims.items() if value is not ...}
    return {"authorization": f"Bearer {jwt.encode(given, secret, 'HS256')}"}


def ask(tenant: Tenant, headers: dict[str, str], accept: str = GRAPHQL) -> Answer:
    sent = headers | {"accept": accept}
    return answer(lambda: tenant.server.client.post("/graphql", json={"query": QUERY}, headers=sent))


def revoke(tenant: Tenant, token_id: str) -> None:
    asyncio.run(revoke_token(tenant.server.admin_url, tenant.name, token_id, "lost", actor="operator"))


def revoke_all(tenant: Tenant, subject: str = "ann", until: datetime | None = None) -> None:
    moment = until or datetime.now(UTC)
    asyncio.run(revoke_subject(tenant.server.admin_url, tenant.name, subject, moment, "moved", actor="operator"))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked again by itself, so what is noticed was told."""
    monkeypatch.setattr(revocations, "FRESH_SECONDS", 1e9)


@pytest.mark.usefixtures("unhurried")
def test_a_revoked_token_is_refused_as_soon_as_the_server_is_told(organization: Tenant) -> None:
    headers = bearer(organization)
    assert ask(organization, headers).data["viewer"]["subject"] == "ann"
    revoke(organization, "t-1")
    eventually(lambda: ask(organization, headers).status == 401)
    assert ask(organization, bearer(organization, jti="t-2")).status == 200


def test_one_that_was_never_used_is_refused_too(organization: Tenant) -> None:
    revoke(organization, "t-1")
    assert ask(organization, bearer(organization)).status == 401


def test_it_looks_like_any_bad_token(organization: Tenant) -> None:
    revoke(organization, "t-1")
    told = ask(organization, bearer(organization))
    bad = ask(organization, bearer(organization, aud="another"))
    assert (told.status, told.content) == (bad.status, bad.content)
    varying = {"x-request-id", "date"}
    assert {k: v for k, v in told.headers.items() if k not in varying} == {
        k: v for k, v in bad.headers.items() if k not in varying
    }
    assert told.headers["www-authenticate"] == "Bearer"


def test_nothing_of_the_request_is_read_for_it(organization: Tenant) -> None:
    """It cannot be used to try session labels either."""
    revoke(organization, "t-1")
    headers = bearer(organization)
    for content, label in ((b"no json", "SECRET"), (b"{}", "TOP_SECRET"), (b'{"query":"{"}', "NONSENSE")):
        told = organization.post(content, headers | {"fabric-session-label": label})
        assert (told.status, told.error["message"]) == (401, NOT_ACCEPTED)


def test_no_way_in_is_left(organization: Tenant) -> None:
    revoke(organization, "t-1")
    headers = bearer(organization)
    assert organization.get({"query": QUERY}, headers).status == 401
    assert ask(organization, headers, "text/event-stream").status == 401
    for upgrade, payload in ((None, headers), (headers, {})):
        with opened(organization.server, headers=upgrade) as socket:
            socket.send(type="connection_init", payload=payload)
            assert socket.closed() == (4403, NOT_ACCEPTED)


def test_another_organizations_revocations_do_not_count(organization: Tenant, other_organization: Tenant) -> None:
    revoke(other_organization, "t-1")
    revoke_all(other_organization)
    assert ask(organization, bearer(organization)).status == 200
    assert ask(other_organization, bearer(other_organization)).status == 401


@pytest.mark.parametrize("token_id", ["t-1 ", "T-1", "t-1\u0301", "t-10"])
def test_ids_are_compared_exactly(organization: Tenant, token_id: str) -> None:
    revoke(organization, "t-1")
    assert ask(organization, bearer(organization, jti=token_id)).status == 200


@pytest.mark.parametrize("token_id", [1, None, "", ["t-1"], {"a": 1}, "x" * 256])
def test_an_id_that_could_not_be_revoked_is_no_id(organization: Tenant, token_id: Any) -> None:
    assert ask(organization, bearer(organization, jti=token_id)).status == 401


def test_a_lowered_clearance_holds_at_once(organization: Tenant) -> None:
    """The administrator lowers it where tokens are issued, and revokes what was issued before."""
    now = datetime.now(UTC)
    issued = int((now - timedelta(minutes=10)).timestamp())
    before = bearer(organization, iat=issued)
    assert ask(organization, before).data["viewer"]["clearance"] == "SECRET/ALPHA"
    revoke_all(organization, until=now - timedelta(minutes=1))
    eventually(lambda: ask(organization, before).status == 401)
    after = bearer(organization, clearance="UNCLASSIFIED")
    assert ask(organization, after).data["viewer"]["clearance"] == "UNCLASSIFIED"


def test_a_token_that_hides_when_it_was_issued_is_refused(organization: Tenant) -> None:
    headers = bearer(organization, iat=..., jti=...)
    assert ask(organization, headers).status == 200
    revoke_all(organization)
    eventually(lambda: ask(organization, headers).status == 401)


def test_a_token_cannot_claim_to_be_of_tomorrow(organization: Tenant) -> None:
    revoke_all(organization)
    tomorrow = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
    assert ask(organization, bearer(organization, iat=tomorrow)).status == 401


def test_a_subject_is_revoked_by_its_exact_name(organization: Tenant) -> None:
    revoke_all(organization, "ann")
    assert ask(organization, bearer(organization, sub="Ann")).status == 200
    assert ask(organization, bearer(organization, sub="ann")).status == 401

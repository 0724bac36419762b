import asyncio
import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.errors import Unauthenticated
from fabric.identity import token_keys, tokens
from fabric.identity.subject import Claims
from fabric.identity.token_keys import UNVERIFIABLE, RemoteKeys, verification_keys
from fabric.identity.tokens import EXPIRED, MALFORMED, MISSING, NOT_ACCEPTED, Authenticator, issue_token
from fabric.labels import COMPARTMENT_NAME, Label, Level

SECRET = bytes(range(32))
ISSUER, AUDIENCE = "https://issuer.test", "fabric"
RSA, OTHER_RSA = (rsa.generate_private_key(65537, 2048) for _ in range(2))
P256, OTHER_P256, P384 = (ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP256R1, ec.SECP384R1))
ED, OTHER_ED = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
PRIVATE: dict[str, Any] = {"RS256": RSA, "ES256": P256, "EdDSA": ED}


def pem(private: Any) -> bytes:
    encoded: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def payload(**changes: object) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600, "org": "acme", "sub": "ann"}
    claims |= {"roles": ["reader"], "clearance": "SECRET/ALPHA"} | changes
    return {name: value for name, value in claims.items() if value is not ...}


def signed(
    key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: object
) -> str:
    return jwt.encode(payload(**changes), key, algorithm, headers)


def encoded(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def forged(header: object, body: object, secret: bytes = SECRET) -> str:
    """A token signed with HMAC, whatever header and body say: what no library would write."""
    signing_input = f"{encoded(header)}.{encoded(body)}"
    return f"{signing_input}.{encoded(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


def authenticator(**changes: Any) -> Authenticator:
    keys = verification_keys(("HS256",), secret=SECRET)
    wanted: dict[str, Any] = {"keys": keys, "issuer": ISSUER, "audience": AUDIENCE}
    return Authenticator(**wanted | changes)


def by_public_key(*algorithms: str, private: Any) -> Authenticator:
    return authenticator(keys=verification_keys(algorithms, public_key=pem(private)))


def read(header: str | None, by: Authenticator | None = None) -> Claims:
    return asyncio.run((by or authenticator()).authenticate(header))


def refusal(header: str | None, by: Authenticator | None = None) -> str:
    with pytest.raises(Unauthenticated) as caught:
        read(header, by)
    return caught.value.message


class Clock:
    """Stands in for the time module."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tokens, "time", clock)
    monkeypatch.setattr(token_keys, "time", clock)
    return clock


# What is accepted


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR  "])
def test_a_token_says_who_asks(scheme: str) -> None:
    claims = read(f"{scheme} {signed(jti='t-1', iat=1_500_000_000, exp=4_000_000_000)}")
    assert claims == Claims("acme", "ann", frozenset({"reader"}), Label.parse("SECRET/ALPHA"), 4e9, "t-1", 1.5e9)


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_each_public_key_algorithm_verifies(algorithm: str) -> None:
    private = PRIVATE[algorithm]
    by = by_public_key("RS256", "ES256", "EdDSA", private=private)
    assert read(f"Bearer {signed(private, algorithm)}", by).subject == "ann"


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(str.isprintable)
LABELS = st.builds(
    Label, st.sampled_from(Level), st.frozensets(st.from_regex(COMPARTMENT_NAME, fullmatch=True), max_size=5)
)


@given(NAMES, NAMES, st.frozensets(NAMES, max_size=5), LABELS)
def test_an_issued_token_says_what_it_was_issued_for(
    organization: str, subject: str, roles: frozenset[str], clearance: Label
) -> None:
    said: dict[str, Any] = {"organization": organization, "subject": subject, "roles": roles, "clearance": clearance}
    token = issue_token(SECRET, lifetime=timedelta(minutes=5), issuer=ISSUER, audience=AUDIENCE, **said)
    claims = read(f"Bearer {token}")
    assert {name: getattr(claims, name) for name in said} == said
    assert claims.expires_at - time.time() == pytest.approx(300, abs=5)
    assert claims.token_id


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": SECRET[1:]}, {"organization": ""}, {"subject": "a\0"}, {"roles": [""]}, {"lifetime": timedelta(0)},
        {"lifetime": timedelta(days=4_000_000)}, {"issuer": ""}, {"audience": ""},
        {"roles": [f"{i:0250}" for i in range(40)]},
    ],
)  # fmt: skip
def test_a_token_that_would_not_be_accepted_is_not_issued(changes: dict[str, Any]) -> None:
    wanted: dict[str, Any] = {"organization": "acme", "subject": "ann", "roles": ["reader"], "clearance": Label()}
    wanted |= {"secret": SECRET, "lifetime": timedelta(hours=1), "issuer": ISSUER, "audience": AUDIENCE}
    with pytest.raises(ValueError, match=r"\w"):
        issue_token(**wanted | changes)


# What is refused


@pytest.mark.parametrize("header", [None, ""])
def test_no_header_is_told_what_to_send(header: str | None) -> None:
    assert refusal(header) == MISSING


@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer ", "Basic YWxhZGRpbjpvcGVu", "Token x.y.z", "x.y.z", "Bearer x", "Bearer x.y.z.w",
        "Bearer ..", "Bearer é.é.é", "Bearer \udcff", "Bearer\t{token}", "Bearer {token} {token}", "Bearer {token}\n",
        "Bearer {token}=", "Bearer {token},", "Bearer {token}\0", "Bearer Bearer {token}",
    ],
)  # fmt: skip
def test_a_malformed_header_is_told_the_form(header: str) -> None:
    assert refusal(header.replace("{token}", signed())) == MALFORMED


def test_an_oversized_header_is_refused_even_when_the_token_is_good() -> None:
    token = signed(padding="x" * 8192)
    assert refusal(f"Bearer {token}") == MALFORMED
    token = signed(padding="x" * 5000)
    assert len(token) < 8000
    assert read(f"Bearer {token}")
    assert refusal(f"Bearer{' ' * 8192}{signed()}") == MALFORMED


def test_an_expired_token_is_told_so_only_when_its_signature_is_good() -> None:
    assert refusal(f"Bearer {signed(exp=int(time.time()) - 1)}") == EXPIRED
    assert refusal(f"Bearer {signed(bytes(32), exp=int(time.time()) - 1)}") == NOT_ACCEPTED


def test_leeway_allows_for_clocks_that_differ() -> None:
    by = authenticator(leeway_seconds=30)
    now = int(time.time())
    assert read(f"Bearer {signed(exp=now - 10, nbf=now + 10, iat=now + 10)}", by)
    assert refusal(f"Bearer {signed(exp=now - 40)}", by) == EXPIRED
    assert refusal(f"Bearer {signed(nbf=now + 60)}", by) == NOT_ACCEPTED


FUTURE = int(time.time()) + 3600


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ...} for name in ("exp", "aud", "iss", "org", "sub", "roles", "clearance")),
        *({name: None} for name in ("exp", "aud", "iss", "org", "sub", "roles", "clearance", "iat", "nbf", "jti")),
        {"aud": "other"}, {"aud": ["other"]}, {"aud": [1]}, {"aud": {"fabric": 1}}, {"aud": "fabri"},
        {"iss": "other"}, {"iss": ISSUER + "/"}, {"nbf": FUTURE}, {"iat": FUTURE}, {"nbf": "now"}, {"iat": "1"},
        {"nbf": [1]}, {"iat": True}, {"exp": "4000000000"}, {"exp": [FUTURE]}, {"exp": {}},
        {"exp": float("inf")}, {"exp": float("nan")}, {"exp": 1e300}, {"exp": 10**400}, {"exp": 253402300800},
        {"org": 1}, {"org": ""}, {"org": ["acme"]}, {"org": "a\0b"}, {"org": "a\nb"}, {"org": "x" * 10_000},
        {"org": "\ud800"}, {"org": "\u202eacme"}, {"org": "x" * 256}, {"sub": 1}, {"sub": ""}, {"sub": "\x1b[2J"},
        {"roles": "admin"}, {"roles": {"admin": True}}, {"roles": [1]}, {"roles": [["admin"]]}, {"roles": [None]},
        {"roles": [""]}, {"roles": ["a\0"]}, {"roles": ["r"] * 257}, {"roles": True},
        {"clearance": 3}, {"clearance": ""}, {"clearance": "secret"}, {"clearance": "SECRET/"},
        {"clearance": {"level": "SECRET"}}, {"clearance": "SECRET/ALPHA\0"}, {"jti": 1}, {"jti": ""},
    ],
)  # fmt: skip
def test_a_well_signed_token_with_bad_claims_is_not_accepted(changes: dict[str, Any]) -> None:
    token = forged({"alg": "HS256", "typ": "JWT"}, payload(**changes))
    assert refusal(f"Bearer {token}") in {NOT_ACCEPTED, MALFORMED}


def test_the_bad_claims_above_are_bad_in_themselves() -> None:
    assert read(f"Bearer {forged({'alg': 'HS256', 'typ': 'JWT'}, payload(org='x' * 255, nbf=1, jti='é'))}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
CLAIMS = st.sampled_from(["iss", "aud", "iat", "exp", "nbf", "org", "sub", "roles", "clearance", "jti"])
HEADERS = st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jku", "jwk", "x5c", "zip", "cty"])


@given(st.dictionaries(HEADERS, JSON), st.dictionaries(CLAIMS, JSON), JSON)
def test_whatever_json_a_token_is_made_of_it_is_read_or_unauthenticated(
    header: dict[str, object], claims: dict[str, object], body: object
) -> None:
    by = authenticator()
    for token in (forged({"alg": "HS256"} | header, payload(**claims)), forged({"alg": "HS256"}, body)):
        try:
            claimed = read(f"Bearer {token}", by)
        except Unauthenticated:
            continue
        assert (claimed.organization + claimed.subject).isprintable()


@pytest.mark.parametrize("body", [b"[" * 3000, b"\xff\xfe\xff", b"{{{", b"null", b'{"exp":' + b"9" * 5000 + b"}"])
def test_a_well_signed_body_that_is_no_json_object_is_not_accepted(body: bytes) -> None:
    assert refusal(f"Bearer {forged({'alg': 'HS256'}, body)}") == NOT_ACCEPTED


# Forgery


def test_another_secret_does_not_sign() -> None:
    assert refusal(f"Bearer {signed(bytes(32))}") == NOT_ACCEPTED


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_another_private_key_does_not_sign(algorithm: str) -> None:
    other = {"RS256": OTHER_RSA, "ES256": OTHER_P256, "EdDSA": OTHER_ED}[algorithm]
    assert refusal(f"Bearer {signed(other, algorithm)}", by_public_key(algorithm, private=PRIVATE[algorithm])) == (
        NOT_ACCEPTED
    )


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("private", PRIVATE.values(), ids=PRIVATE)
def test_a_public_key_used_as_the_shared_secret_signs_nothing(algorithm: str, private: Any) -> None:
    by = by_public_key("RS256", "ES256", "EdDSA", private=private)
    raw = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem(private), pem(private).strip(), raw):
        assert refusal(f"Bearer {forged({'alg': algorithm}, payload(), secret)}", by) == NOT_ACCEPTED


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS512", "hs256", None, 1, ["HS256"], ...])
@pytest.mark.parametrize("by", [authenticator(), by_public_key("RS256", private=RSA)], ids=["secret", "public"])
def test_the_header_cannot_choose_another_algorithm_or_none(algorithm: object, by: Authenticator) -> None:
    header = {"typ": "JWT"} if algorithm is ... else {"alg": algorithm}
    good = forged(header, payload())
    assert refusal(f"Bearer {good}", by) == NOT_ACCEPTED
    unsigned = good.rpartition(".")[0]
    assert refusal(f"Bearer {unsigned}.", by) == MALFORMED
    assert refusal(f"Bearer {unsigned}.AAAA", by) == NOT_ACCEPTED


@pytest.mark.parametrize(
    "headers",
    [
        {"jwk": json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_RSA.public_key()))},
        {"jku": "http://127.0.0.1:1/keys", "kid": "mine"},
        {"kid": "../../../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"x5u": "http://127.0.0.1:1/certificate"},
    ],
)
def test_a_token_cannot_bring_its_own_key(headers: dict[str, Any]) -> None:
    by = by_public_key("RS256", private=RSA)
    assert refusal(f"Bearer {signed(OTHER_RSA, 'RS256', headers)}", by) == NOT_ACCEPTED


def test_an_unknown_critical_header_is_refused() -> None:
    assert refusal(f"Bearer {forged({'alg': 'HS256', 'crit': ['x'], 'x': 1}, payload())}") == NOT_ACCEPTED


LATER = int(time.time()) + 86_400
TOKENS = {"HS256": (authenticator(), signed(exp=LATER))} | {
    name: (by_public_key(name, private=private), signed(private, name, exp=LATER)) for name, private in PRIVATE.items()
}
"""Made while tests are collected, and still good when the last of them runs."""


@settings(max_examples=300)
@given(st.sampled_from(sorted(TOKENS)), st.data())
def test_any_single_byte_change_of_a_valid_token_is_refused(algorithm: str, data: st.DataObject) -> None:
    by, token = TOKENS[algorithm]
    at = data.draw(st.integers(0, len(token) - 1) | st.sampled_from([token.index("."), len(token) - 1]))
    instead = data.draw(st.characters(max_codepoint=255).filter(lambda c: c != token[at]))
    assert read(f"Bearer {token}", by)
    assert refusal(f"Bearer {token[:at]}{instead}{token[at + 1 :]}", by) in {NOT_ACCEPTED, MALFORMED}


def test_no_spelling_of_the_last_characters_passes_for_the_same_token() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
    for by, token in TOKENS.values():
        ends = [i - 1 for i, character in enumerate(token + ".") if character == "."]
        for at in ends:
            for instead in alphabet.replace(token[at], ""):
                assert refusal(f"Bearer {token[:at]}{instead}{token[at + 1 :]}", by) in {NOT_ACCEPTED, MALFORMED}


def test_neither_message_nor_log_holds_anything_of_the_token_or_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    by = by_public_key("RS256", private=RSA)
    marked = {"kid": "marker\n1", "crit": ["marker2"]}
    said = [refusal(f"Bearer {signed(OTHER_RSA, 'RS256', h, org='marker3')}", by) for h in (marked, {"kid": "marker4"})]
    said.append(refusal(f"Bearer {signed(RSA, 'RS256', org='marker5' * 99)}", by))
    assert set(said) == {NOT_ACCEPTED}
    assert "claim org" in caplog.text
    assert "marker" not in caplog.text


# The cache


def test_a_repeated_token_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    by, token = authenticator(), signed()
    first = read(f"Bearer {token}", by)
    monkeypatch.setattr(tokens, "jwt", SimpleNamespace())
    assert read(f"bearer {token}", by) is first


def test_a_remembered_token_expires_all_the_same(clock: Clock) -> None:
    by, token = authenticator(leeway_seconds=5), signed(exp=int(time.time()) + 600)
    assert read(f"Bearer {token}", by)
    clock.ahead = 603
    assert read(f"Bearer {token}", by)
    clock.ahead = 606
    assert refusal(f"Bearer {token}", by) == EXPIRED
    assert refusal(f"Bearer {token}", by) == EXPIRED


def test_the_cache_is_bounded_and_keeps_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    by = authenticator(cache_size=2)
    often, once, late = (f"Bearer {signed(sub=name)}" for name in ("often", "once", "late"))
    for header in (often, once, often, late):
        read(header, by)
    monkeypatch.setattr(tokens, "jwt", SimpleNamespace(get_unverified_header=forget, PyJWTError=jwt.PyJWTError,
                                                       ExpiredSignatureError=jwt.ExpiredSignatureError))  # fmt: skip
    assert read(often, by).subject == "often"
    assert read(late, by).subject == "late"
    assert refusal(once, by) == NOT_ACCEPTED


def forget(token: str) -> dict[str, Any]:
    raise jwt.DecodeError


def test_two_authenticators_share_nothing() -> None:
    first, second = authenticator(), authenticator(audience="elsewhere")
    header = f"Bearer {signed()}"
    assert read(header, first)
    assert refusal(header, second) == NOT_ACCEPTED
    assert read(header, first)


# Configuration


@pytest.mark.parametrize(
    ("algorithms", "given", "said"),
    [
        ((), {"secret": SECRET}, "algorithms"),
        (("none",), {"secret": SECRET}, "algorithms"),
        (("HS256", "HS512"), {"secret": SECRET}, "algorithms"),
        (("HS256", "RS256"), {"secret": SECRET, "public_key": pem(RSA)}, "together"),
        (("HS256",), {"secret": SECRET, "public_key": pem(RSA)}, "together"),
        (("HS256",), {"secret": SECRET, "jwks_url": "https://issuer.test/keys"}, "together"),
        (("HS256",), {}, "secret of at least 32 bytes"),
        (("HS256",), {"secret": SECRET[1:]}, "secret of at least 32 bytes"),
        (("HS256",), {"secret": pem(RSA)}, "no secret"),
        (("RS256",), {"secret": SECRET}, "HS256 only"),
        (("RS256",), {}, "one of them"),
        (("RS256",), {"public_key": pem(RSA), "jwks_url": "https://issuer.test/keys"}, "one of them"),
        (("ES256", "EdDSA"), {"public_key": pem(RSA)}, "RS256"),
        (("RS256",), {"public_key": b"-----BEGIN"}, "PEM"),
        (("RS256",), {"public_key": pem(rsa.generate_private_key(65537, 1024))}, "2048"),
        (("ES256",), {"public_key": pem(P384)}, "P-256"),
        (("RS256",), {"jwks_url": "http://issuer.test/keys"}, "https"),
        (("RS256",), {"jwks_url": "http://127.0.0.1.issuer.test/keys"}, "https"),
        (("RS256",), {"jwks_url": "file:///etc/keys"}, "https"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    algorithms: tuple[str, ...], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        verification_keys(algorithms, **given)


@pytest.mark.parametrize("missing", ["issuer", "audience"])
def test_an_issuer_and_an_audience_are_required(missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        authenticator(**{missing: ""})


# Keys from a URL


class Issuer(ThreadingHTTPServer):
    """A JWKS endpoint: `keys` by key id, or `answer`, (status, body) as it is. Holds answers back until `open`, and
    then sends a byte every `pause` seconds, if that is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.keys: dict[str, Any] = {"one": RSA}
        self.answer: tuple[int, bytes] | None = None
        self.open = threading.Event()
        self.open.set()
        self.pause = 0.0
        self.fetches = 0
        self.url = f"http://127.0.0.1:{self.server_port}/keys"

    def bearer(self, kid: str = "one", algorithm: str = "RS256", **changes: object) -> str:
        return f"Bearer {signed(self.keys.get(kid, OTHER_RSA), algorithm, {'kid': kid}, **changes)}"


class Answer(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.fetches += 1
        document = {"keys": [jwk(key) | {"kid": kid} for kid, key in self.server.keys.items()]}
        status, body = self.server.answer or (200, json.dumps(document).encode())
        self.server.open.wait(10)
        self.send_response(status)
        self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        step = 1 if self.server.pause else max(len(body), 1)
        with suppress(ConnectionError):  # who asked has given up
            for start in range(0, len(body), step):
                time.sleep(self.server.pause)
                self.wfile.write(body[start : start + step])

    def log_message(self, *_: object) -> None:
        pass


def jwk(private: Any) -> dict[str, Any]:
    kind = next(name for name, key in PRIVATE.items() if isinstance(private, type(key)))
    document: dict[str, Any] = jwt.get_algorithm_by_name(kind).to_jwk(private.public_key(), as_dict=True)
    return document


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Issuer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.open.set()
        server.shutdown()
        thread.join()


def by_url(issuer: Issuer, **changes: Any) -> Authenticator:
    return authenticator(keys=RemoteKeys(issuer.url, **changes))


def test_keys_are_found_by_key_id_and_fetched_once(issuer: Issuer) -> None:
    issuer.keys = PRIVATE
    by = by_url(issuer)

    async def crowd() -> set[str]:
        headers = [issuer.bearer(name, name, sub=f"{name}{i}") for name in PRIVATE for i in range(10)]
        return {claims.subject for claims in await asyncio.gather(*map(by.authenticate, headers))}

    assert len(asyncio.run(crowd())) == 30
    assert issuer.fetches == 1


def test_the_configured_url_is_enough() -> None:
    keys = verification_keys(("RS256",), jwks_url="https://issuer.test/keys")
    assert isinstance(keys, RemoteKeys)
    assert keys.algorithms == ["RS256"]


def test_unknown_key_ids_fetch_once_in_a_while(issuer: Issuer, clock: Clock) -> None:
    by = by_url(issuer)
    assert read(issuer.bearer(), by)

    async def attack() -> None:
        for i in range(30):
            with pytest.raises(Unauthenticated, match="not accepted"):
                await by.authenticate(issuer.bearer(f"unknown{i}"))

    asyncio.run(attack())
    assert issuer.fetches == 1
    clock.ahead = 11
    asyncio.run(attack())
    assert issuer.fetches == 2


def test_a_new_key_serves_after_the_cooldown_and_a_withdrawn_one_no_longer(issuer: Issuer, clock: Clock) -> None:
    by, old = by_url(issuer), issuer.bearer()
    assert read(old, by)
    issuer.keys = {"two": OTHER_RSA}
    assert refusal(issuer.bearer("two"), by) == NOT_ACCEPTED
    clock.ahead = 11
    assert read(issuer.bearer("two"), by)
    assert refusal(old, by) == NOT_ACCEPTED


def test_a_key_replaced_under_the_same_key_id_takes_its_tokens_with_it(issuer: Issuer, clock: Clock) -> None:
    by, old = by_url(issuer), issuer.bearer()
    assert read(old, by)
    issuer.keys = {"one": OTHER_RSA, "two": RSA}
    clock.ahead = 11
    assert read(issuer.bearer("two"), by)
    assert refusal(old, by) == NOT_ACCEPTED
    assert read(issuer.bearer("one"), by)


def test_old_keys_are_fetched_anew_in_the_background(issuer: Issuer, clock: Clock) -> None:
    by, header = by_url(issuer), issuer.bearer()

    async def scenario() -> None:
        first = await by.authenticate(header)
        clock.ahead = 301
        issuer.keys = {"two": OTHER_RSA}
        issuer.open.clear()
        assert await asyncio.wait_for(by.authenticate(header), 1) is first
        issuer.open.set()
        for _ in range(500):
            assert await by.authenticate(header) is first
            await asyncio.sleep(0.01)

    with pytest.raises(Unauthenticated, match="not accepted"):
        asyncio.run(scenario())
    assert issuer.fetches == 2


def test_an_unchanged_key_keeps_its_remembered_tokens(issuer: Issuer, clock: Clock) -> None:
    by, header = by_url(issuer), issuer.bearer()
    first = read(header, by)
    clock.ahead = 11
    refusal(issuer.bearer("unknown"), by)
    assert issuer.fetches == 2
    assert read(header, by) is first


DOWN = [(503, b"{}"), (404, b""), (302, b""), (200, b""), (200, b"<html>"), (200, b"[]"), (200, b'{"keys": {}}'),
        (200, b"{}"), (200, b"[" * 100_000), (200, b"\xff")]  # fmt: skip


@pytest.mark.parametrize("answer", DOWN)
def test_keys_serve_for_their_lifetime_while_the_url_is_down(
    issuer: Issuer, clock: Clock, answer: tuple[int, bytes]
) -> None:
    by, header = by_url(issuer), issuer.bearer(exp=int(time.time()) + 10_000)
    assert read(header, by)
    issuer.answer = answer
    clock.ahead = 3500
    assert refusal(issuer.bearer("unknown"), by) == NOT_ACCEPTED
    assert issuer.fetches == 2
    assert read(header, by)
    assert read(issuer.bearer(sub="other", exp=int(time.time()) + 10_000), by).subject == "other"
    clock.ahead = 3700
    assert refusal(header, by) == UNVERIFIABLE
    issuer.answer = None
    clock.ahead = 3720
    assert read(header, by)


@pytest.mark.parametrize("answer", [None, *DOWN])
def test_without_keys_nothing_passes_and_a_dead_url_is_not_hammered(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture, answer: tuple[int, bytes] | None
) -> None:
    by, header = by_url(issuer), issuer.bearer()
    issuer.answer = answer
    if answer is None:
        issuer.keys = {}
    for _ in range(5):
        assert refusal(header, by) == UNVERIFIABLE
    assert issuer.fetches == 1
    assert ("the JWKS cannot be fetched" in caplog.text) is (answer is not None)


def test_a_url_that_refuses_connections_passes_nothing(issuer: Issuer) -> None:
    by = authenticator(keys=RemoteKeys("http://127.0.0.1:1/keys"))
    assert refusal(issuer.bearer(), by) == UNVERIFIABLE


def test_a_slow_url_is_waited_for_within_bounds_and_holds_up_nobody_else(issuer: Issuer, clock: Clock) -> None:
    by, header = by_url(issuer, timeout=0.3), issuer.bearer()

    async def scenario() -> None:
        assert await by.authenticate(header)
        issuer.open.clear()
        clock.ahead = 11
        began = time.monotonic()
        waiting = [asyncio.create_task(by.authenticate(issuer.bearer(f"unknown{i}"))) for i in range(5)]
        await asyncio.sleep(0.05)
        assert await by.authenticate(header)
        assert await by.authenticate(issuer.bearer(sub="other"))
        assert not any(task.done() for task in waiting)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, Unauthenticated) for outcome in outcomes)
        assert 0.2 < time.monotonic() - began < 2
        issuer.open.set()

    asyncio.run(scenario())
    assert issuer.fetches == 2


def test_an_answer_that_trickles_is_waited_for_within_bounds(issuer: Issuer) -> None:
    issuer.answer = 200, b" " * 15
    issuer.pause = 0.1
    by = by_url(issuer, timeout=0.3)

    async def scenario() -> float:
        began = time.monotonic()
        with pytest.raises(Unauthenticated, match="out of reach"):
            await by.authenticate(issuer.bearer())
        return time.monotonic() - began

    assert 0.2 < asyncio.run(scenario()) < 1


def test_a_caller_that_gives_up_does_not_end_the_fetch_for_others(issuer: Issuer) -> None:
    by, header = by_url(issuer), issuer.bearer()
    issuer.open.clear()

    async def scenario() -> Claims:
        hasty, patient = (asyncio.create_task(by.authenticate(header)) for _ in range(2))
        await asyncio.sleep(0.05)
        hasty.cancel()
        issuer.open.set()
        return await patient

    assert asyncio.run(scenario()).subject == "ann"
    assert issuer.fetches == 1


def test_a_token_is_checked_with_the_key_it_names_and_no_other(issuer: Issuer) -> None:
    issuer.keys = {"one": RSA, "two": OTHER_RSA, "ed": ED}
    by = by_url(issuer)
    assert refusal(f"Bearer {signed(RSA, 'RS256', {'kid': 'two'})}", by) == NOT_ACCEPTED
    assert refusal(f"Bearer {signed(RSA, 'RS256', {'kid': 'ed'})}", by) == NOT_ACCEPTED
    assert refusal(f"Bearer {signed(RSA, 'RS256', {'kid': 'ONE'})}", by) == NOT_ACCEPTED
    assert refusal(f"Bearer {signed(RSA, 'RS256')}", by) == NOT_ACCEPTED
    assert refusal(f"Bearer {forged({'alg': 'HS256', 'kid': 'one'}, payload(), pem(RSA))}", by) == NOT_ACCEPTED
    for kid in (None, 1, ["one"], {"one": 1}):
        assert refusal(f"Bearer {forged({'alg': 'RS256', 'kid': kid}, payload())}", by) == NOT_ACCEPTED


def test_keys_that_are_no_public_signing_keys_of_ours_are_left_out(issuer: Issuer) -> None:
    good, weak = jwk(RSA), rsa.generate_private_key(65537, 1024)
    secret = {"kty": "oct", "k": encoded(SECRET)}
    private = jwt.get_algorithm_by_name("RS256").to_jwk(RSA, as_dict=True)
    p384 = jwt.get_algorithm_by_name("ES384").to_jwk(P384.public_key(), as_dict=True)
    entries: list[Any] = [secret, private, jwk(weak), p384, jwk(ED), good | {"use": "enc"}, good | {"alg": "RS512"},
                          good | {"alg": ["RS256"]}, good | {"n": 1}, {"kty": ["RSA"]}, {}]  # fmt: skip
    document = [entry | {"kid": f"bad{i}"} for i, entry in enumerate(entries)]
    document += [None, "x", [], good, good | {"kid": 1}, good | {"kid": "good"}]
    issuer.answer = 200, json.dumps({"keys": document}).encode()
    by = by_url(issuer, algorithms=("RS256", "ES256"))
    for i in range(len(entries)):
        for key, algorithm in ((RSA, "RS256"), (P384, "ES384"), (ED, "EdDSA"), (SECRET, "HS256")):
            assert refusal(f"Bearer {signed(key, algorithm, {'kid': f'bad{i}'})}", by) == NOT_ACCEPTED
    assert read(f"Bearer {signed(RSA, 'RS256', {'kid': 'good'})}", by)

"""One set of credentials at HashiCorp Vault or OpenBao: signs in, renews its token, asks, and tells what went wrong.

`hvac` is synchronous, so every request runs in a thread of the pool that the vault has for it. What is raised never
carries what `hvac` or `requests` say, for that has the address in it.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from hvac.adapters import RawAdapter
from requests.adapters import HTTPAdapter

from vault.protocol import Denied, Throttled, Unavailable, VaultError

PAUSES_SECONDS = (0.1, 0.4)
"""Before the second and the third attempt, give or take a half."""

RELOGIN_SECONDS = 5.0
"""A refusal of a token younger than this is no reason to sign in again: the credentials may not do what was asked."""

RENEW_AT = 1 / 3
"""A token is renewed when this part of its life is left."""

RETRY_SECONDS = 30.0
"""Between attempts to renew a token."""

log = logging.getLogger(__name__)

Read = Callable[[], str]
"""Reads a secret anew, in a thread: such files are replaced while the process runs."""


Login = tuple[str, dict[str, str]]
"""The path and the body of a request that answers with a token."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that somebody else puts into a file, such as an agent's sink."""

    read: Read

    def login(self) -> str | Login:
        return self.read()


@dataclass(frozen=True, slots=True)
class AppRole:
    role_id: str
    secret_id: Read
    mount: str = "approle"

    def login(self) -> str | Login:
        return f"auth/{self.mount}/login", {"role_id": self.role_id, "secret_id": self.secret_id()}


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """A service account's own token, which Kubernetes replaces in its file."""

    role: str
    jwt: Read
    mount: str = "kubernetes"

    def login(self) -> str | Login:
        return f"auth/{self.mount}/login", {"role": self.role, "jwt": self.jwt()}


Credential = Token | AppRole | Kubernetes


@dataclass(frozen=True, slots=True)
class Server:
    """Where the vault is: its address, the namespace or "", and the file of a certificate authority or None."""

    address: str
    namespace: str = ""
    ca_file: str | None = None
    timeout: float = 5.0
    """Seconds that a request may take, with signing in and all attempts."""
    connections: int = 8
    """Requests at the same time."""

    def __repr__(self) -> str:
        return "Server(…)"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status that is no fault of the server's or the credentials', and the JSON object that came with it."""

    status: int
    body: Mapping[str, Any]

    @property
    def data(self) -> Mapping[str, Any]:
        return self.body.get("data") or {}

    @property
    def errors(self) -> list[str]:
        return [str(error) for error in self.body.get("errors") or []]

    def __repr__(self) -> str:
        return f"Answer({self.status})"


class Session:
    """Asks with one credential. Its token is renewed in the background once it has been used."""

    def __init__(self, server: Server, credential: Credential, pool: Executor) -> None:
        self._server, self._credential, self._pool = server, credential, pool
        session = requests.Session()
        session.trust_env = False
        session.verify = server.ca_file or True
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=server.connections))
        self._adapter = RawAdapter(
            base_uri=server.address,
            namespace=server.namespace or None,
            session=session,
            timeout=server.timeout,
            allow_redirects=False,
        )
        self._lock = asyncio.Lock()
        self._signed_in_at: float | None = None
        self._life: float | None = None
        self._expires_at = math.inf
        self._renewable = False
        self._keeper: asyncio.Task[None] | None = None

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, again: bool = True) -> Answer:
        """Sends a request below `/v1/`. `again` says whether it may be sent twice though the first may have worked.

        Unavailable, Throttled or Denied where there is no answer; an answer is of status 200 to 299, 400 or 404.
        """
        deadline = asyncio.get_running_loop().time() + self._server.timeout
        try:
            async with asyncio.timeout_at(deadline):
                return await self._ask(method, path, body, again, deadline)
        except TimeoutError:
            raise Unavailable("the vault did not answer in time") from None

    async def ask_anybody(self, path: str) -> Answer:
        """Asks without a token. Unavailable if there is no answer."""
        try:
            async with asyncio.timeout(self._server.timeout):
                return _answer(await self._send("get", path, None))
        except TimeoutError:
            raise Unavailable("the vault did not answer in time") from None

    async def seconds_left(self) -> float | None:
        """Until the token expires, None if it does not. Asks the vault whether it takes the token."""
        await self.ask("get", "auth/token/lookup-self")
        left = self._expires_at - time.monotonic()
        return None if left == math.inf else max(0.0, left)

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        self._adapter.close()

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, again: bool, deadline: float
    ) -> Answer:
        for pause in (*PAUSES_SECONDS, math.inf):
            try:
                await self._signed_in()
                token = self._adapter.token
                response = await self._send(method, path, body)
                if response.status_code == 403 and await self._signed_in_anew(token):
                    response = await self._send(method, path, body)
                return _answer(response)
            except Throttled as error:
                wait = error.retry_after or pause
                if pause == math.inf or wait >= deadline - asyncio.get_running_loop().time():
                    raise
                await asyncio.sleep(wait)
            except _Transient:
                if pause == math.inf or not again:
                    raise
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        raise AssertionError("the last attempt answers or raises")

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        request = partial(self._adapter.request, method, f"/v1/{path}", json=body, raise_exception=False)
        try:
            response: requests.Response = await asyncio.get_running_loop().run_in_executor(self._pool, request)
        except requests.exceptions.SSLError:
            raise Unavailable("the vault's certificate is not trusted: name the file of its authority") from None
        except requests.RequestException:
            raise _Transient("the vault cannot be reached") from None
        return response

    # Signing in

    async def _signed_in(self) -> None:
        """Once; those who come meanwhile wait."""
        if self._signed_in_at is None:
            async with self._lock:
                if self._signed_in_at is None:
                    await self._sign_in()

    async def _signed_in_anew(self, refused: str | None) -> bool:
        """Whether there is another token than the one that was refused."""
        async with self._lock:
            if self._adapter.token == refused and time.monotonic() - (self._signed_in_at or 0) > RELOGIN_SECONDS:
                await self._sign_in()
        return bool(self._adapter.token != refused)

    async def _sign_in(self) -> None:
        try:
            login = await asyncio.get_running_loop().run_in_executor(self._pool, self._credential.login)
        except (OSError, RuntimeError, ValueError):
            raise Denied("the file of the credentials to sign in with cannot be read, or others can read it") from None
        before = self._adapter.token
        if isinstance(login, str):
            self._adapter.token = login
            told = _answer(await self._send("get", "auth/token/lookup-self", None)).data
            seconds = told.get("ttl")
        else:
            answer = _answer(await self._send("post", *login))
            told = answer.body.get("auth") or {}
            if answer.status >= 300 or not isinstance(told.get("client_token"), str):
                raise Denied("the vault refused the credentials to sign in with")
            self._adapter.token, seconds = told["client_token"], told.get("lease_duration")
        self._signed_in_at = time.monotonic()
        self._renewable = bool(told.get("renewable"))
        self._lives(seconds, another=before != self._adapter.token)

    def _lives(self, seconds: Any, *, another: bool) -> None:
        """Notes when the token expires, and sees to it that there is another by then. 0 seconds are for ever."""
        if not isinstance(seconds, int) or seconds <= 0:
            self._life, self._expires_at = None, math.inf
            return
        if another or self._life is None:
            self._life = seconds
        self._expires_at = time.monotonic() + seconds
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        """Renews the token in time, or signs in anew where it cannot be renewed, as long as tokens expire."""
        while self._life is not None:
            left = self._expires_at - time.monotonic()
            await asyncio.sleep(max(left - self._life * RENEW_AT, min(RETRY_SECONDS, self._life / 10)))
            try:
                async with asyncio.timeout(self._server.timeout), self._lock:
                    if not (self._renewable and await self._renewed(self._life)):
                        await self._sign_in()
            except (VaultError, TimeoutError) as error:
                log.warning("the token for the vault could not be renewed: %s", error or "no answer in time")

    async def _renewed(self, life: float) -> bool:
        """Whether the token lives on for about as long again; near its longest life it does not."""
        answer = _answer(await self._send("post", "auth/token/renew-self", {}))
        seconds = (answer.body.get("auth") or {}).get("lease_duration")
        if not isinstance(seconds, int) or seconds < life / 2:
            return False
        self._lives(seconds, another=False)
        return True


class _Transient(Unavailable):
    """Something that may have passed a moment later."""


def _json(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = response.json() if response.content else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _Transient("what answers at the vault's address is no vault, or is out of order")
    return body


def _answer(response: requests.Response) -> Answer:
    status = response.status_code
    if status in (401, 403):
        raise Denied("the vault refused: the token is not valid any more, or may not do this")
    if status == 429:
        raise Throttled("the vault is over its quota", _retry_after(response))
    if 300 <= status < 400:
        raise Unavailable("a standby of the vault redirects: name an address that leads to the active node")
    if status == 503 and any("sealed" in str(error) for error in _json(response).get("errors") or []):
        raise Unavailable("the vault is sealed: somebody has to unseal it")
    if status >= 500 or status == 412:
        raise _Transient("the vault is down or out of order")
    return Answer(status, _json(response))


def _retry_after(response: requests.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None

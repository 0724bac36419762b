"""Reads over HTTP: ours beside raw SQL with a bare answer, and beside a peer. Ratios of medians of interleaved rounds.

    python benchmarks/reads.py DATA_DIR [--peer http://127.0.0.1:5678/graphql] [--rounds 5] [--seconds 3]

DATA_DIR is one that `wordnet.py` filled. `wrk` makes the load (Debian: wrk; and iproute2, for `ss`). `raw` runs the
statement that the compiler made, over asyncpg, and answers its bytes: no token, no labels of the caller's, no limits,
no GraphQL. `top` and `low` are the fabric's endpoint as it is served, for the highest and the lowest clearance; `mixed`
takes turns among four.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import uvicorn
import uvloop
from processor import backends, listener, milliseconds
from serving import served, wait_for
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from wordnet import COMPARTMENTS, ORGANIZATION

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.identity.organizations import Directory
from fabric.identity.subject import Subject
from fabric.identity.tokens import issue_token
from fabric.labels import Label, Level
from fabric.secrets import token_secret
from fabric.settings import Settings
from fabric.types.types import Types
from graphql_api.compiler import plan
from graphql_api.compiler.compiler import Compiler
from graphql_api.compiler.planner import PageLimits, Planner
from graphql_api.compiler.sql import statement
from graphql_api.documents.selection import Spreader
from graphql_api.schema.schema import build_surface

TOP = Label(Level.TOP_SECRET, frozenset(COMPARTMENTS))
MIXED = [Label(), Label(Level.CONFIDENTIAL), Label(Level.SECRET, frozenset(COMPARTMENTS[:2])), TOP]
FABRIC, RAW = 8766, 8767

LEXNAMES = "noun.artifact noun.person noun.plant noun.animal noun.communication noun.act adj.pert noun.state".split()
FIELDS = "lemma pos definition lexname synsetOffset wordCount pointerCount"
QUERY = "query($n: Int!, $lex: String!) "
OURS = QUERY + "{ synsets(first: $n, where: {lexname: {eq: $lex}}, orderBy: [{lemma: ASC}]) { nodes { %s } } }"
PEER = QUERY + "{ allSynsets(first: $n, condition: {lexname: $lex}, orderBy: LEMMA_ASC) { nodes { %s } } }"
HOP = "lemma definition hypernyms { nodes { lemma definition } }"
PEER_HOP = (
    'lemma definition pointersBySourceId(condition: {rel: "hypernym"}) '
    "{ nodes { synsetByTargetId { lemma definition } } }"
)

CASES = {"list100": (f"id {FIELDS}", 100), "list1000": (f"id {FIELDS}", 1000), "nested100": (HOP, 100)}


@dataclass
class Target:
    name: str
    url: str
    queries: dict[str, str]
    tokens: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    def bodies(self, case: str) -> list[str]:
        size = CASES[case][1]
        return [
            json.dumps({"query": self.queries[case], "variables": {"n": size, "lex": lexname}}) for lexname in LEXNAMES
        ]


def serve_raw(url: str, statements: dict[str, tuple[str, list[Any]]]) -> None:
    """The compiled statements as an application of nothing else. Arguments named `lex` and `n` are the request's."""
    pool: asyncpg.Pool

    async def keep(_: asyncpg.Connection) -> None:
        pass

    async def answer(request: Request) -> Response:
        asked = json.loads(await request.body())
        text, arguments = statements[asked["query"]]
        given = [asked["variables"].get(a[1:], a) if isinstance(a, str) and a[:1] == "$" else a for a in arguments]
        async with pool.acquire() as connection:
            data = await connection.fetchval(text, *given)
        return Response(b'{"data":' + data + b"}", media_type="application/json")

    async def start() -> None:
        nonlocal pool
        pool = await asyncpg.create_pool(url, min_size=8, max_size=8, reset=keep)

    app = Starlette(routes=[Route("/graphql", answer, methods=["POST"])])
    config = uvicorn.Config(app, port=RAW, log_config=None, access_log=False)

    async def run() -> None:
        await start()
        await uvicorn.Server(config).serve()

    uvloop.run(run())


async def raw_statements(url: str) -> dict[str, tuple[str, list[Any]]]:
    """For each of our queries its statement and its arguments, at the highest clearance."""
    async with await Database.connect(url) as database:
        organization = await Directory(database).find(ORGANIZATION)
        assert organization is not None
        code = organization.lattice.encode(TOP)
        subject = Subject(
            organization.organization_id, ORGANIZATION, "benchmark", frozenset(), frozenset(), code, code, 4e9
        )
        catalogue = await Types(database).catalogue(subject.session)
    compiler = Compiler(build_surface(catalogue), Settings(log_format="json"))
    made: dict[str, tuple[str, list[Any]]] = {}
    for selection, _ in CASES.values():
        operation = compiler.operation(OURS % selection, None)
        variables = {"n": "$n", "lex": "$lex"}
        spreader = Spreader(operation.fragments, variables)
        planner = Planner(compiler.surface, spreader, variables, PageLimits(50, 10**9))
        planned = planner.plan(spreader.collect([operation.node.selection_set], lambda _: True))
        compiled = statement(planned)
        bound = [planned.binders[i] for i in compiled.parameters]
        request = plan.Request(subject, organization, {"n": 7, "lex": "$lex"})
        values = ["$n" if (v := bind(request)) == 7 else v for bind in bound]
        made[OURS % selection] = (compiled.text, [str(organization.organization_id), str(code), *values])
    return made


def token(settings: Settings, label: Label) -> str:
    return issue_token(
        token_secret(settings.data_dir, settings.jwt_secret_file),
        organization=ORGANIZATION,
        subject="benchmark",
        roles=["reader"],
        clearance=label,
        lifetime=timedelta(hours=2),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )


WRK = """
local bodies, tokens, i = {}, {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
for t in string.gmatch(os.getenv("TOKENS"), "%S+") do tokens[#tokens + 1] = t end
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
request = function()
  i = i + 1
  if #tokens > 0 then wrk.headers["authorization"] = "Bearer " .. tokens[i % #tokens + 1] end
  return wrk.format(nil, nil, nil, bodies[i % #bodies + 1])
end
done = function(s)
  local failed = s.errors.status + s.errors.read + s.errors.timeout + s.errors.connect
  io.write(string.format("RESULT %.2f %d\\n", s.requests / s.duration * 1e6, failed))
end
"""


def load(target: Target, case: str, seconds: int) -> float:
    """Requests per second."""
    with tempfile.TemporaryDirectory() as folder:
        bodies, script = Path(folder, "bodies"), Path(folder, "wrk.lua")
        bodies.write_text("\n".join(target.bodies(case)))
        script.write_text(WRK)
        environment = {**os.environ, "BODIES": str(bodies), "TOKENS": " ".join(target.tokens)}
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(script), target.url]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (\S+) (\d+)", out)
    assert found, out
    assert found[2] == "0", out
    return float(found[1])


def check(target: Target, case: str) -> None:
    """Every answer has the rows that were asked for."""
    for body in target.bodies(case):
        headers = {"content-type": "application/json"}
        if target.tokens:
            headers["authorization"] = f"Bearer {target.tokens[0]}"
        request = urllib.request.Request(target.url, body.encode(), headers)
        answer = json.loads(urllib.request.urlopen(request).read())
        assert "errors" not in answer, answer
        nodes = next(iter(answer["data"].values()))["nodes"]
        assert len(nodes) == CASES[case][1], (target.name, case, len(nodes))


@dataclass
class Measured:
    """Of one target: requests a second, and processor time a request in the server and in PostgreSQL, each round."""

    rates: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)

    def add(self, target: Target, case: str, seconds: int, postgres: Path) -> None:
        own, behind = [listener(target.port)], backends(postgres)
        before = milliseconds(own), milliseconds(behind)
        rate = load(target, case, seconds)
        self.rates.append(rate)
        self.server.append((milliseconds(own) - before[0]) / (rate * seconds))
        self.database.append((milliseconds(behind) - before[1]) / (rate * seconds))

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def processor(self) -> tuple[float, float]:
        return statistics.median(self.server), statistics.median(self.database)


def compare(targets: list[Target], rounds: int, seconds: int, postgres: Path) -> None:
    for case in CASES:
        measured = {t.name: Measured() for t in targets}
        for target in targets:
            check(target, case)
            load(target, case, 1)
        for i in range(rounds):
            for target in targets[i % len(targets) :] + targets[: i % len(targets)]:
                measured[target.name].add(target, case, seconds, postgres)
        print(f"\n{case}: requests a second (spread); ms of processor a request, server + PostgreSQL; ratios of both")
        for name, own in measured.items():
            against = ""
            for other in ("peer", "raw"):
                if other in measured:
                    spent = sum(measured[other].processor) / sum(own.processor)
                    against += f"  {own.rate / measured[other].rate:.2f}, {spent:.2f} x {other}"
            spread = f"({min(own.rates):.0f} to {max(own.rates):.0f})"
            server, database = own.processor
            print(f"  {name:6}{own.rate:7.0f} {spread:16}{server:6.3f} + {database:.3f}{against}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--peer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    asked = parser.parse_args()
    settings = Settings(data_dir=asked.data_dir, log_format="json")
    with EmbeddedPostgres(asked.data_dir) as server, served(asked.data_dir, FABRIC):
        statements = asyncio.run(raw_statements(server.url))
        context = multiprocessing.get_context("spawn")
        raw = context.Process(target=serve_raw, args=(server.url, statements), daemon=True)
        raw.start()
        wait_for(RAW)
        ours = {case: OURS % selection for case, (selection, _) in CASES.items()}
        fabric = f"http://127.0.0.1:{FABRIC}/graphql"
        targets = [
            Target("top", fabric, ours, [token(settings, TOP)]),
            Target("low", fabric, ours, [token(settings, Label())]),
            Target("mixed", fabric, ours, [token(settings, label) for label in MIXED]),
            Target("raw", f"http://127.0.0.1:{RAW}/graphql", ours),
        ]
        if asked.peer:
            theirs = {case: PEER % (PEER_HOP if case == "nested100" else f"rowId {FIELDS}") for case in CASES}
            targets.append(Target("peer", asked.peer, theirs))
        compare(targets, asked.rounds, asked.seconds, server.folder)
        raw.terminate()


if __name__ == "__main__":
    main()

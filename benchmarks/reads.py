"""Reads over HTTP: ours beside raw SQL with a bare answer, and beside a peer. Ratios of medians of interleaved rounds.

    python benchmarks/reads.py DATA_DIR [--peer http://127.0.0.1:5678/graphql] [--rounds 5] [--seconds 3]

DATA_DIR is one that `wordnet.py` filled. `wrk` makes the load (Debian: wrk). `raw` runs the statement that the compiler
made, over asyncpg, and answers its bytes: no token, no labels of the caller's, no limits, no GraphQL. `top` and `low`
are the fabric's endpoint as it is served, for the highest and the lowest clearance; `mixed` takes turns among four.
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
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from wordnet import COMPARTMENTS, ORGANIZATION

from fabric import log
from fabric.db import Database
from fabric.embedded import EmbeddedPostgres
from fabric.labels import Label, Level
from fabric.organizations import Directory
from fabric.secrets import token_secret
from fabric.settings import Settings
from fabric.subject import Subject
from fabric.tokens import issue_token
from fabric.types import Types
from graphql_api import plan
from graphql_api.app import create_app
from graphql_api.compiler import Compiler
from graphql_api.planner import PageLimits, Planner
from graphql_api.schema import build_surface
from graphql_api.selection import Spreader
from graphql_api.sql import statement

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

    def bodies(self, case: str) -> list[str]:
        size = CASES[case][1]
        return [
            json.dumps({"query": self.queries[case], "variables": {"n": size, "lex": lexname}}) for lexname in LEXNAMES
        ]


def serve_fabric(data_dir: Path, url: str) -> None:
    settings = Settings(data_dir=data_dir, log_format="json", log_level="warning")
    log.configure("json", "warning")
    uvicorn.run(create_app(settings, url), port=FABRIC, log_config=None, access_log=False)


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

    asyncio.run(run())


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


def compare(targets: list[Target], rounds: int, seconds: int) -> None:
    for case in CASES:
        measured: dict[str, list[float]] = {t.name: [] for t in targets}
        for target in targets:
            check(target, case)
            load(target, case, 1)
        for i in range(rounds):
            for target in targets[i % len(targets) :] + targets[: i % len(targets)]:
                measured[target.name].append(load(target, case, seconds))
        medians = {name: statistics.median(values) for name, values in measured.items()}
        print(f"\n{case}")
        for name, values in measured.items():
            against = "".join(f"  {medians[name] / medians[o]:6.2f} x {o}" for o in ("peer", "raw") if o in medians)
            spread = f"({min(values):.0f} to {max(values):.0f})"
            print(f"  {name:8}{medians[name]:9.0f} requests/s {spread}{against}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--peer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    asked = parser.parse_args()
    settings = Settings(data_dir=asked.data_dir, log_format="json")
    with EmbeddedPostgres(asked.data_dir) as server:
        context = multiprocessing.get_context("spawn")
        statements = asyncio.run(raw_statements(server.url))
        processes = [
            context.Process(target=serve_fabric, args=(asked.data_dir, server.url), daemon=True),
            context.Process(target=serve_raw, args=(server.url, statements), daemon=True),
        ]
        for process in processes:
            process.start()
        time.sleep(5)
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
        compare(targets, asked.rounds, asked.seconds)
        for process in processes:
            process.terminate()


if __name__ == "__main__":
    main()

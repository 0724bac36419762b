"""`config get` and `config set`."""

import asyncio

from command_line import Run
from databases import run_sql


def test_what_is_set_is_got_and_given_back(run: Run) -> None:
    for name in ("acme", "globex"):
        run("organization", name)
    of = ("--organization", "acme")
    assert run("config", "set", "search.weights.graph=2", "search.damping=20", *of).out == (
        "changed: search.damping, search.weights.graph\n"
    )
    assert run("config", "set", "search.weights.graph=2", *of).out == "nothing new\n"
    [line] = run("config", "get", "search.weights.graph", *of).out.splitlines()
    assert line.split("\t")[:3] == ["search.weights.graph", "2.0", "chosen"]
    run("config", "set", "search.weights.graph=", *of)
    lines = dict(line.split("\t", 1) for line in run("config", "get", *of).out.splitlines())
    assert lines["search.weights.graph"].startswith("0.5\tdefault\t")
    assert lines["search.damping"].startswith("20.0\tchosen\t")
    assert "chosen" not in run("config", "get", "--organization", "globex").out


def test_what_cannot_be_is_refused_and_nothing_of_it_done(run: Run) -> None:
    run("organization", "acme")
    of = ("--organization", "acme")
    assert "number from 0 to 10" in run("config", "set", "search.damping=9", "search.weights.text=11", *of).refusal
    assert "search.damping" in run("config", "set", "search.dumping=9", *of).refusal
    assert "search.damping" in run("config", "get", "search.dumping", *of).refusal
    assert run("config", "set", "search.damping", *of).code == 2
    assert "chosen" not in run("config", "get", *of).out


def test_the_operator_is_on_the_record(run: Run, admin_url: str) -> None:
    run("organization", "acme")
    run("config", "set", "search.damping=9", "--organization", "acme")
    [record] = asyncio.run(run_sql(admin_url, "select action, actor, label from fabric.audit_log"))
    assert tuple(record) == ("config.changed", "operator", 0)

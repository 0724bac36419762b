"""Plaintext of encrypted fields is looked for wherever something is kept or told, after a busy run: it is nowhere."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from http_exports import CSV, export
from http_server import eventually
from server_process import Process

PERSON: dict[str, Any] = {
    "typeName": "Person",
    "plural": "people",
    "fields": {
        "name": {"type": "string", "required": True},
        "serial": {"type": "string", "encrypted": True, "blindIndex": True, "hint": "last4"},
        "notes": {"type": "json", "encrypted": True},
        "mails": {"type": "string", "list": True, "encrypted": True},
        "born": {"type": "date", "encrypted": True},
    },
}
ALL = "name serial { locked hint } notes { hint } mails { hint } born { hint }"
TABLES = "select table_name from information_schema.tables where table_schema = 'fabric' and table_type = 'BASE TABLE'"


class Canaries:
    """Values that no one else would make."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def new(self) -> str:
        self.made.append(f"canary{uuid4().hex}")
        return self.made[-1]

    def found_in(self, text: str) -> list[str]:
        """Those of which any part longer than a hint is there."""
        return [each for each in self.made if each[6:-4][:12] in text]


@pytest.mark.parametrize("process", [{"FABRIC_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}], indirect=True)
def test_after_a_busy_run_no_plaintext_is_anywhere(process: Process, tmp_path: Path) -> None:
    tenant, canaries = process.organization(), Canaries()
    tenant.define(PERSON)
    hook = {"name": "h", "url": "http://127.0.0.1:9/", "filter": {"changes": {"type": "Person"}}}
    tenant.ask("mutation ($i: CreateWebhookInput!) { createWebhook(input: $i) { secret } }", {"i": hook})

    def secrets() -> dict[str, Any]:
        new = canaries.new
        return {"serial": new(), "notes": {new(): [new()]}, "mails": [new(), new()]}

    answers = []

    def ask(query: str, variables: Any = None, **who: Any) -> Any:
        answer = tenant.ask(query, variables, **who)
        answers.append(answer.content.decode())
        return answer.body.get("data")

    create = f"mutation ($i: PersonCreateInput!) {{ createPerson(input: $i) {{ person {{ id {ALL} }} }} }}"
    made = [ask(create, {"i": {"name": "x", **secrets()}})["createPerson"]["person"]["id"] for _ in range(5)]
    many = f"mutation ($i: [PersonCreateInput!]!) {{ createPeople(inputs: $i) {{ people {{ {ALL} }} }} }}"
    ask(many, {"i": [{"name": "x", **secrets()} for _ in range(20)]})
    update = f"""mutation ($id: ID!, $i: PersonUpdateInput!) {{
        updatePerson(id: $id, input: $i) {{ person {{ {ALL} history {{ nodes {{ data }} }} }} }} }}"""
    for label in ("UNCLASSIFIED", "SECRET", "CONFIDENTIAL"):
        ask(update, {"id": made[0], "i": secrets()}, label=label)
        ask(update, {"id": made[1], "i": {"name": label}}, label=label)
    ask(f'mutation {{ createPerson(input: {{name: "x", serial: "{canaries.new()}"}}) {{ person {{ {ALL} }} }} }}')
    regrade = 'mutation ($id: ID!) { regradeObject(id: $id, label: "SECRET", reason: "r") { position } }'
    ask(regrade, {"id": made[2]}, label="SECRET", session_label="UNCLASSIFIED")
    ask("mutation ($id: ID!) { deletePerson(id: $id) { deletedId } }", {"id": made[3]})
    find = "query ($s: String) { people(where: {serial: {eq: $s}}) { nodes { id } } }"
    for each in canaries.made[:10]:
        ask(find, {"s": each})
    ask("{ people { nodes { %s } } events { nodes { data } } }" % ALL)  # noqa: UP031 (braces of two languages)
    answers += [export(tenant, "{ people { nodes { %s } } }" % ALL, form=form).content.decode()  # noqa: UP031
                for form in ("application/x-ndjson", CSV)]  # fmt: skip
    assert len(canaries.made) > 100

    # What is refused is told to its sender alone.
    for bad in ({"name": None, "serial": canaries.new()}, {"name": "x", "born": canaries.new(), **secrets()}):
        tenant.ask(create, {"i": bad})
    tenant.ask(create, {"i": {"name": "x", "id": made[0], **secrets()}})
    process.sql("revoke insert on fabric.encrypted_fields from semantic_fabric_server")
    tenant.ask(create, {"i": {"name": "x", **secrets()}}).refused("INTERNAL")
    for table in ("seals", "webhook_deliveries"):
        eventually(lambda: bool(process.sql(f"select from fabric.{table}")))  # noqa: B023 (asked at once)

    assert canaries.found_in("\n".join(answers)) == []
    for (name,) in process.sql(TABLES):
        rows = process.sql(f"select t::text as row from fabric.{name} t")
        assert canaries.found_in("\n".join(row["row"] for row in rows)) == [], name
    stored = process.sql("select count(*) as number from fabric.encrypted_fields")[0]["number"]
    assert stored > 70
    statements = process.sql("select string_agg(query, ' ') as text from pg_stat_activity")[0]["text"] or ""
    assert canaries.found_in(statements) == []
    log = (tmp_path / "log").read_text()
    assert [json.loads(line) for line in log.splitlines()]
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert canaries.found_in(file.read_bytes().decode("latin-1")) == [], file

"""Unlocking as callers see it: what aliases, fragments, other organizations and other transports do not get around."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson
import pytest
from http_server import MakeServer, Server, Tenant, eventually
from safe import ASSET, OFFICER
from websocket_client import opened

LOW, SECRET = "UNCLASSIFIED", "SECRET/ALPHA"
LIMIT = 10
CANARY = "canary-7f3a91c2"
ALL = (*OFFICER, "auditor", "admin")

UNLOCK = """mutation ($id: ID!, $f: String!, $r: String! = "a pump failed", $q: String) {
  unlockField(objectId: $id, field: $f, reason: $r, requestId: $q) { objectId field label value expiresAt }
}"""
SEVERAL = """mutation ($id: ID!, $f: [String!]!) {
  unlockFields(objectId: $id, fields: $f, reason: "a pump failed") { field value }
}"""
REQUEST = """mutation ($id: ID!, $f: String!) {
  requestUnlock(objectId: $id, field: $f, reason: "two of us") {
    unlockRequest { unlockId state label requestedBy approvalsNeeded type field approvals { approvedBy approvedAt } }
  }
}"""
APPROVE = "mutation ($u: ID!) { approveUnlock(unlockId: $u) { unlockRequest { state approvals { approvedBy } } } }"
COLLECT = "mutation ($u: ID!) { collectUnlock(unlockId: $u) { value field } }"
NOTHING = "there is no encrypted value here that you may unlock"


@pytest.fixture(scope="module")
def server(new_server: MakeServer) -> Iterator[Server]:
    with new_server({"unlock_limit": LIMIT}) as server:
        yield server


@pytest.fixture
def organization(server: Server) -> Tenant:
    tenant = server.organization()
    tenant.define(ASSET, label=SECRET)
    return tenant


def make(tenant: Tenant, label: str = LOW, **values: Any) -> str:
    """The id of an asset with these encrypted values."""
    create = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } } }"
    made = tenant.data(create, {"i": {"name": "pump", **values}}, label=label)
    return str(made["createAsset"]["asset"]["id"])


def log(tenant: Tenant) -> list[tuple[str, str]]:
    rows = tenant.server.sql(
        """select actor, outcome from fabric.audit_log join fabric.organizations using (organization_id)
           where name = $1 and action = 'field.unlock' order by audit_id""",
        tenant.name,
    )
    return [tuple(row) for row in rows]


def test_an_officer_gets_a_value_that_no_cache_keeps(organization: Tenant) -> None:
    id = make(organization, serial="SN-1142", codes=["1", str(2**60)])
    answer = organization.ask(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER)
    unlocked = answer.data["unlockField"]
    assert unlocked.pop("expiresAt").endswith("Z")
    assert unlocked == {"objectId": id, "field": "serial", "label": LOW, "value": "SN-1142"}
    assert answer.headers["cache-control"] == "no-store"
    both = organization.data(SEVERAL, {"id": id, "f": ["codes", "serial"]}, roles=OFFICER)["unlockFields"]
    assert [each["field"] for each in both] == ["codes", "serial"]
    assert log(organization) == [("ann", "granted")] * 3


def test_nothing_is_unlocked_by_get(organization: Tenant) -> None:
    id = make(organization, serial=CANARY)
    variables = orjson.dumps({"id": id, "f": "serial"}).decode()
    answer = organization.get({"query": UNLOCK, "variables": variables}, organization.authorization(roles=OFFICER))
    assert answer.status == 405
    assert CANARY.encode() not in answer.content
    assert log(organization) == []


def aliased(ids: Sequence[str]) -> str:
    fields = " ".join(
        f'a{i}: unlockField(objectId: "{id}", field: "serial", reason: "r") {{ value }}' for i, id in enumerate(ids)
    )
    return f"mutation {{ {fields} }}"


def test_each_alias_counts(organization: Tenant) -> None:
    id = make(organization, serial=CANARY)
    refused = organization.ask(aliased([id] * (LIMIT + 3)), roles=OFFICER, name="many")
    assert refused.codes == {"RATE_LIMITED"}
    assert 0 < refused.errors[0]["extensions"]["retryAfterSeconds"] <= 3600
    assert CANARY.encode() not in refused.content  # what the rest gave is gone with it
    assert log(organization)[: LIMIT + 1] == [("many", "granted")] * LIMIT + [("many", "denied")]


def test_each_fragment_counts(organization: Tenant) -> None:
    id = make(organization, serial="x")
    text = f"""mutation {{ {" ".join(f"...F{i}" for i in range(LIMIT))} last: {unlocking(id)} }}
        {" ".join(f"fragment F{i} on Mutation {{ f{i}: {unlocking(id)} }}" for i in range(LIMIT))}"""
    assert organization.ask(text, roles=OFFICER, name="many").codes == {"RATE_LIMITED"}
    assert log(organization) == [("many", "granted")] * LIMIT + [("many", "denied")]


def unlocking(id: str) -> str:
    return f'unlockField(objectId: "{id}", field: "serial", reason: "r") {{ value }}'


def test_fields_of_one_call_count_each(organization: Tenant) -> None:
    id = make(organization, serial="x", codes=["1"], ruled="y")
    for _ in range(3):
        organization.data(SEVERAL, {"id": id, "f": ["serial", "codes", "ruled"]}, roles=ALL, name="many")
    refused = organization.ask(SEVERAL, {"id": id, "f": ["serial", "codes"]}, roles=ALL, name="many")
    refused.refused("RATE_LIMITED")
    organization.data(SEVERAL, {"id": id, "f": ["serial"]}, roles=ALL, name="many")


def test_a_lower_or_higher_session_gives_no_second_allowance(organization: Tenant) -> None:
    low, high = make(organization, serial="x"), make(organization, SECRET, serial="y")
    organization.data(aliased([high, low] * (LIMIT // 2)), roles=OFFICER, label=SECRET)
    for session_label in (None, LOW, "SECRET", "CONFIDENTIAL/ALPHA"):
        organization.ask(
            UNLOCK, {"id": low, "f": "serial"}, roles=OFFICER, label=SECRET, session_label=session_label
        ).refused("RATE_LIMITED")


def test_whatever_is_not_there_for_somebody_looks_alike(organization: Tenant, server: Server) -> None:
    low, high = make(organization, serial=CANARY, ruled="r"), make(organization, SECRET, serial=CANARY)
    other = server.organization()
    other.define(ASSET, label=SECRET)
    theirs = make(other, serial=CANARY)
    cases: list[tuple[str, str, dict[str, Any]]] = [
        (low, "serial", {"roles": ["writer"]}),
        (low, "serial", {"roles": []}),
        (low, "ruled", {"roles": OFFICER}),
        (high, "serial", {"roles": OFFICER}),
        (high, "serial", {"roles": ALL, "label": SECRET, "session_label": LOW}),
        (high, "serial", {"roles": ALL, "label": "SECRET/BRAVO"}),
        (theirs, "serial", {"roles": ALL, "label": SECRET}),
        ("0b0e7a52-6a4e-4b0e-9a53-0d6cf19cf7a4", "serial", {"roles": ALL}),
        (low, "name", {"roles": ALL}),
        (low, "nothing", {"roles": ALL}),
        (low, "deep", {"roles": ALL}),
        (low, "id", {"roles": ALL}),
        (low, "__typename", {"roles": ALL}),
    ]
    answers = set()
    for id, name, who in cases[:-1]:
        answer = organization.ask(UNLOCK, {"id": id, "f": name}, **who).refused("NOT_FOUND")
        assert answer.error["message"] == NOTHING
        answers.add(answer.plain)
    assert len(answers) == 1
    assert {outcome for _, outcome in log(organization)} == {"denied"}
    assert len(log(organization)) == len(cases) - 1


def test_what_is_no_id_is_not_found(organization: Tenant) -> None:
    answers = {organization.ask(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER).refused("NOT_FOUND").plain
               for id in ("", "x", "1", "0b0e7a52-6a4e-4b0e-9a53-0d6cf19cf7a4")}  # fmt: skip
    assert len(answers) == 1
    assert log(organization) == [("ann", "denied")] * 4


@pytest.mark.parametrize(
    ("changed", "path"),
    [({"r": " "}, ["reason"]), ({"r": "x" * 1001}, ["reason"]), ({"q": ""}, ["requestId"]), ({"f": "a b"}, ["fields"])],
)
def test_what_is_wrong_with_the_input_is_told(organization: Tenant, changed: dict[str, str], path: list[str]) -> None:
    id = make(organization, serial="x")
    organization.ask(UNLOCK, {"id": id, "f": "serial"} | changed, roles=OFFICER).refused(path=path)


def test_a_request_that_is_sent_again_is_refused(organization: Tenant) -> None:
    id = make(organization, serial=CANARY)
    variables = {"id": id, "f": "serial", "q": "one"}
    organization.data(UNLOCK, variables, roles=OFFICER)
    again = organization.ask(UNLOCK, variables, roles=OFFICER).refused("CONFLICT", path=["requestId"])
    assert CANARY.encode() not in again.content
    assert log(organization) == [("ann", "granted"), ("ann", "denied")]


def test_two_people_unlock_together(organization: Tenant) -> None:
    id = make(organization, twofold=CANARY)
    organization.ask(UNLOCK, {"id": id, "f": "twofold"}, roles=OFFICER).refused("CONFLICT")
    asked = organization.data(REQUEST, {"id": id, "f": "twofold"}, roles=OFFICER)["requestUnlock"]["unlockRequest"]
    unlock_id = {"u": asked.pop("unlockId")}
    assert asked == {
        "state": "PENDING", "label": LOW, "requestedBy": "ann", "approvalsNeeded": 1, "type": "Asset",
        "field": "twofold", "approvals": [],
    }  # fmt: skip
    organization.ask(COLLECT, unlock_id, roles=OFFICER).refused("CONFLICT")
    organization.ask(APPROVE, unlock_id, roles=OFFICER).refused("CONFLICT")
    organization.ask(APPROVE, unlock_id, roles=["writer"], name="bob").refused("NOT_FOUND")
    listed = organization.data("{ unlockRequests { unlockId state reason } }", roles=OFFICER, name="bob")
    assert listed == {"unlockRequests": [{"unlockId": unlock_id["u"], "state": "PENDING", "reason": "two of us"}]}
    approved = organization.data(APPROVE, unlock_id, roles=OFFICER, name="bob")["approveUnlock"]["unlockRequest"]
    assert approved == {"state": "APPROVED", "approvals": [{"approvedBy": "bob"}]}
    collected = organization.ask(COLLECT, unlock_id, roles=OFFICER)
    assert collected.data == {"collectUnlock": {"value": CANARY, "field": "twofold"}}
    assert collected.headers["cache-control"] == "no-store"
    organization.ask(COLLECT, unlock_id, roles=OFFICER).refused("CONFLICT")
    assert organization.data("{ unlockRequests { unlockId } }", roles=OFFICER) == {"unlockRequests": []}


def test_requests_of_others_are_not_there(organization: Tenant, server: Server) -> None:
    other = server.organization()
    other.define(ASSET, label=SECRET)
    high = make(organization, SECRET, twofold="x")
    made = organization.data(REQUEST, {"id": high, "f": "twofold"}, roles=OFFICER, label=SECRET)
    unlock_id = {"u": made["requestUnlock"]["unlockRequest"]["unlockId"]}
    answers = set()
    for tenant, given in ((organization, unlock_id), (other, unlock_id), (other, {"u": high})):
        for text in (APPROVE, COLLECT):
            answer = tenant.ask(text, given, roles=OFFICER, name="bob").refused("NOT_FOUND")
            answers.add(answer.error["message"])
    assert answers == {NOTHING}
    assert other.data("{ unlockRequests { unlockId } }", roles=OFFICER, label=SECRET) == {"unlockRequests": []}
    organization.ask("{ unlockRequests { unlockId } }", roles=["writer"]).refused("FORBIDDEN")


def test_plaintext_is_in_the_answer_and_nowhere_else(
    organization: Tenant, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    id = make(organization, serial=CANARY, twofold=CANARY)
    organization.data(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER)
    made = organization.data(REQUEST, {"id": id, "f": "twofold"}, roles=OFFICER)
    unlock_id = {"u": made["requestUnlock"]["unlockRequest"]["unlockId"]}
    organization.data(APPROVE, unlock_id, roles=OFFICER, name="bob")
    organization.data(COLLECT, unlock_id, roles=OFFICER)
    server.sql("update fabric.encrypted_fields set ciphertext = ciphertext || 'A' where entity_id = $1", UUID(id))
    organization.ask(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER).refused("INTERNAL")
    tables = server.sql("select relname from pg_class where relnamespace = 'fabric'::regnamespace and relkind = 'r'")
    for [table] in tables:
        found = server.sql(f"select t::text from fabric.{table} t where position($1 in t::text) > 0", CANARY)
        assert found == [], table
    out, err = capfd.readouterr()
    assert "vault.value_unreadable" in out + err
    assert CANARY not in out + err
    metrics = orjson.dumps([str(value) for value in vars(server.metrics).values()])
    assert CANARY.encode() not in metrics


def test_without_its_record_there_is_no_value(organization: Tenant, server: Server) -> None:
    id = make(organization, serial=CANARY)
    server.sql(
        """create function fabric.no_unlocks() returns trigger language plpgsql as
           $$ begin raise exception 'the disk of secrets is full'; end $$"""
    )
    server.sql(
        "create trigger no_unlocks before insert on fabric.audit_log for each row"
        " when (new.action like 'field.unlock%') execute function fabric.no_unlocks()"
    )
    try:
        refused = organization.ask(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER).refused("INTERNAL")
        assert b"disk" not in refused.content
        organization.ask(REQUEST, {"id": id, "f": "twofold"}, roles=OFFICER).refused("INTERNAL")
    finally:
        server.sql("drop trigger no_unlocks on fabric.audit_log")
        server.sql("drop function fabric.no_unlocks")
    assert organization.data(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER)["unlockField"]["value"] == CANARY


def test_where_the_keys_are_gone_all_else_works(organization: Tenant, server: Server) -> None:
    id = make(organization, serial=CANARY)
    keyring = server.settings.data_dir / "keyring"
    away = keyring.with_name("away")
    keyring.rename(away)
    try:
        organization.ask(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER).refused("VAULT_UNAVAILABLE")
        assert organization.data("query ($id: ID!) { asset(id: $id) { name } }", {"id": id})["asset"]
        organization.ask("{ keys { purpose } }").refused("VAULT_UNAVAILABLE")
    finally:
        away.rename(keyring)
    assert log(organization) == [("ann", "granted"), ("ann", "failed")]
    assert organization.data(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER)["unlockField"]["value"] == CANARY


ROTATION = "rotationId purpose label state targetVersion rows rowsLeft failure startedBy finishedAt"


def test_keys_are_rotated_while_officers_unlock(organization: Tenant) -> None:
    id = make(organization, serial="low")
    make(organization, SECRET, serial="high")
    rotate = f'mutation {{ rotateKeys(purpose: "pii") {{ keyRotation {{ {ROTATION} }} }} }}'
    begun = organization.data(rotate)["rotateKeys"]["keyRotation"]
    assert (begun["purpose"], begun["label"], begun["startedBy"], begun["rows"]) == ("pii", LOW, "ann", "1")
    query = f"query ($r: ID!) {{ keyRotation(rotationId: $r) {{ {ROTATION} }} }}"
    given = {"r": begun["rotationId"]}
    eventually(lambda: organization.data(query, given)["keyRotation"]["state"] == "DONE")
    done = organization.data(query, given, label=SECRET)["keyRotation"]
    assert (done["rows"], done["rowsLeft"], done["targetVersion"]) == ("2", "0", 2)
    assert organization.data(UNLOCK, {"id": id, "f": "serial"}, roles=OFFICER)["unlockField"]["value"] == "low"
    keys = "{ keys { purpose latestVersion minimumVersion versions { version createdAt rows } } }"
    codes, key = organization.data(keys)["keys"]
    assert (codes["purpose"], codes["latestVersion"]) == ("codes", 1)
    assert (key["purpose"], key["latestVersion"], key["minimumVersion"]) == ("pii", 2, 2)
    assert [(v["version"], v["rows"]) for v in key["versions"]] == [(1, "0"), (2, "1")]
    assert [r["rotationId"] for r in organization.data("{ keyRotations { rotationId } }")["keyRotations"]] == [
        given["r"]
    ]
    topics = '{ events(where: {topics: ["rotation.*"]}) { nodes { topic data } } }'
    eventually(lambda: len(organization.data(topics)["events"]["nodes"]) >= 2)
    assert organization.data(topics)["events"]["nodes"][0]["data"]["rows"] == 1


def test_its_progress_can_be_followed(organization: Tenant, server: Server) -> None:
    make(organization, serial="x")
    make(organization, SECRET, serial="y")
    with opened(server) as socket:
        socket.initialise(organization.authorization())
        socket.subscribe('subscription { events(topics: ["rotation.*"]) { kind event { topic data actor } } }')
        assert socket.receive()["payload"]["data"]["events"]["kind"] == "READY"
        organization.data('mutation { rotateKeys(purpose: "pii") { keyRotation { rotationId } } }')
        told = [socket.receive()["payload"]["data"]["events"]["event"]]
        while told[-1]["topic"] != "rotation.done":
            told.append(socket.receive()["payload"]["data"]["events"]["event"])
    assert (told[0]["topic"], told[0]["actor"]) == ("rotation.started", "ann")
    assert told[-1]["data"] == {"purpose": "pii", "state": "DONE", "targetVersion": 2, "rows": 1, "rowsLeft": 0}


def test_unlocks_over_a_websocket_are_the_same(organization: Tenant, server: Server) -> None:
    id = make(organization, serial="SN")
    with opened(server) as socket:
        socket.initialise(organization.authorization(roles=OFFICER))
        for number in range(LIMIT + 1):
            socket.subscribe(UNLOCK, str(number), variables={"id": id, "f": "serial"})
            (payload,) = socket.results(str(number))
            if number < LIMIT:
                assert payload["data"]["unlockField"]["value"] == "SN"
    assert payload["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


def test_rotation_is_for_those_who_may_and_see_it(organization: Tenant, server: Server) -> None:
    make(organization, SECRET, serial="high")
    begin = "mutation ($p: String!) { rotateKeys(purpose: $p) { keyRotation { rotationId } } }"
    for roles in (OFFICER, ["writer"], ["auditor"]):
        organization.ask(begin, {"p": "pii"}, roles=roles).refused("FORBIDDEN")
        organization.ask("{ keys { purpose } }", roles=roles).refused("FORBIDDEN")
    for purpose in ("nothing", "../x", "x" * 500, "a\nb"):
        organization.ask(begin, {"p": purpose}).refused("NOT_FOUND")
    made = organization.data(begin, {"p": "pii"}, label=SECRET)["rotateKeys"]["keyRotation"]
    see = "query ($r: ID!) { keyRotation(rotationId: $r) { state } }"
    assert organization.data(see, {"r": made["rotationId"]}) == {"keyRotation": None}
    other = server.organization()
    for act in ("pauseKeyRotation", "resumeKeyRotation"):
        text = f"mutation ($r: ID!) {{ {act}(rotationId: $r) {{ keyRotation {{ state }} }} }}"
        organization.ask(text, {"r": made["rotationId"]}).refused("NOT_FOUND")
        other.ask(text, {"r": made["rotationId"]}, label=SECRET).refused("NOT_FOUND")

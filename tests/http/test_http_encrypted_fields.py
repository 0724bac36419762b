"""Encrypted fields over HTTP: what is seen of them, what can be asked of them, and that nothing gives a value."""

from typing import Any

import pytest
from http_exports import CSV, export, items, table
from http_server import Tenant

PERSON: dict[str, Any] = {
    "typeName": "Person",
    "plural": "people",
    "fields": {
        "name": {"type": "string", "required": True},
        "serial": {"type": "string", "encrypted": True, "purpose": "pii", "hint": "last4", "blindIndex": True},
        "mail": {"type": "string", "encrypted": True, "hint": "domain", "required": True,
                 "unlock": {"permission": "keys:rotate"}},
        "code": {"type": "integer", "encrypted": True, "label": "SECRET", "blindIndex": True},
    },
    "links": {"friends": {"relation": "knows", "target": "Person"}},
}  # fmt: skip
CREATE = """mutation ($i: PersonCreateInput!) { createPerson(input: $i) { changed person {
    id serial { locked hint purpose unlockPermission __typename } m: mail { hint unlockPermission } } } }"""
FIND = "query ($w: PersonWhere) { people(where: $w, orderBy: [{name: ASC}]) { totalCount nodes { name } } }"


@pytest.fixture
def people(organization: Tenant) -> Tenant:
    organization.define(PERSON, label="SECRET", session_label="SECRET")
    return organization


def person(people: Tenant, name: str = "Ann", **data: Any) -> str:
    given = {"name": name, "mail": "ann@example.org", **data}
    made: str = people.data(CREATE, {"i": given}, label="SECRET")["createPerson"]["person"]["id"]
    return made


def found(people: Tenant, where: Any, **who: Any) -> list[str]:
    return [node["name"] for node in people.data(FIND, {"w": where}, **({"label": "SECRET"} | who))["people"]["nodes"]]


def test_what_a_query_shows_of_an_encrypted_field(people: Tenant) -> None:
    given = {"name": "Ann", "serial": "AB-1234567", "mail": "ann@Example.org"}
    made = people.data(CREATE, {"i": given}, label="SECRET")["createPerson"]["person"]
    assert made["serial"] == {
        "locked": True, "hint": "4567", "purpose": "pii", "unlockPermission": "field:decrypt",
        "__typename": "EncryptedField",
    }  # fmt: skip
    assert made["m"] == {"hint": "example.org", "unlockPermission": "keys:rotate"}
    query = "query ($id: ID!) { person(id: $id) { serial { hint } code { hint locked } mail { purpose } } }"
    shown = people.data(query, {"id": made["id"]}, label="SECRET")["person"]
    assert shown == {"serial": {"hint": "4567"}, "code": None, "mail": {"purpose": "default"}}


def test_a_hint_is_not_shown_once_its_field_asks_for_another_or_none(people: Tenant) -> None:
    id = person(people, serial="AB-1234567")
    for hint in ("none", "domain"):
        fields = PERSON["fields"] | {"serial": PERSON["fields"]["serial"] | {"hint": hint}}
        people.define(PERSON | {"fields": fields}, label="SECRET")
        assert people.data("query ($id: ID!) { person(id: $id) { serial { hint } } }", {"id": id}, label="SECRET") == {
            "person": {"serial": {"hint": None}}
        }


def test_equality_finds_objects_without_unlocking_them(people: Tenant) -> None:
    person(people, "Ann", serial="AB-1234567", code=7)
    person(people, "Bob", serial="CD-1234567", code=7)
    person(people, "Cid")
    assert found(people, {"serial": {"eq": "AB-1234567"}}) == ["Ann"]
    assert found(people, {"serial": {"in": ["AB-1234567", "CD-1234567", "nobody's"]}}) == ["Ann", "Bob"]
    assert found(people, {"serial": {"in": []}}) == []
    assert found(people, {"serial": {"eq": None}}) == ["Cid"]
    assert found(people, {"not": {"code": {"eq": 7}}}) == ["Cid"]
    assert found(people, {"and": [{"code": {"eq": 7}}, {"serial": {"eq": "CD-1234567"}}]}) == ["Bob"]
    literal = '{ people(where: {serial: {eq: "AB-1234567"}}) { nodes { name } } }'
    assert people.data(literal, label="SECRET")["people"]["nodes"] == [{"name": "Ann"}]


def test_equality_is_for_those_who_may_match(people: Tenant) -> None:
    person(people, "Ann", serial="AB-1234567")
    for where in (
        {"serial": {"eq": "AB-1234567"}},
        {"not": {"serial": {"in": ["x"]}}},
        {"friends": {"none": {"serial": {"eq": None}}}},
    ):
        people.ask(FIND, {"w": where}, label="SECRET", roles=("reader", "officer")).refused("FORBIDDEN")
    assert found(people, {"serial": {"eq": "AB-1234567"}}, roles=("reader", "matcher")) == ["Ann"]


@pytest.mark.parametrize(
    "document",
    [
        '{ people(where: {serial: {contains: "1"}}) { totalCount } }',
        '{ people(where: {serial: {ne: "1"}}) { totalCount } }',
        '{ people(where: {mail: {eq: "1"}}) { totalCount } }',
        "{ people(orderBy: [{serial: ASC}]) { totalCount } }",
        "{ peopleAggregate { fields { serial { max } } } }",
        "{ peopleAggregate(groupBy: [{serial: VALUE}]) { count } }",
        "{ people { nodes { serial } } }",
        "{ people { nodes { serial { value } } } }",
    ],
)  # fmt: skip
def test_nothing_else_can_be_asked_of_an_encrypted_field(people: Tenant, document: str) -> None:
    people.ask(document, label="SECRET").refused()


def test_a_value_asked_for_must_be_one_of_the_field(people: Tenant) -> None:
    people.ask(FIND, {"w": {"code": {"eq": 2**31}}}, label="SECRET").refused(path=["w", "code", "eq"])
    many = {"serial": {"in": [str(i) for i in range(101)]}}
    people.ask(FIND, {"w": many}, label="SECRET").refused("QUERY_TOO_COMPLEX")


def test_a_traversal_can_be_asked_for_encrypted_values_and_a_subscription_cannot(people: Tenant) -> None:
    first, second = person(people, "Ann"), person(people, "Bob", serial="AB-1234567")
    link = {"l": {"relation": "knows", "from": first, "to": second}}
    people.data("mutation ($l: LinkInput!) { link(input: $l) { changed } }", link, label="SECRET")
    query = """query ($from: ID!, $w: JSON!) {
        traverse(from: [$from], types: ["Person"], where: $w) { nodes { node { id } } } }"""
    for serial, reached in (("AB-1234567", [second]), ("x", [])):
        given = {"from": first, "w": {"serial": {"eq": serial}}}
        data = people.data(query, given, label="SECRET")
        assert [node["node"]["id"] for node in data["traverse"]["nodes"] if node["node"]["id"] != first] == reached
    changes = {"type": "Person", "where": {"serial": {"eq": "x"}}}
    hook = {"name": "h", "url": "https://example.org/", "filter": {"changes": changes}}
    create = "mutation ($i: CreateWebhookInput!) { createWebhook(input: $i) { secret } }"
    refusal = people.ask(create, {"i": hook}, label="SECRET").refused()
    assert "cannot be asked for here" in refusal.error["message"]


def test_search_does_not_filter_by_encrypted_values(people: Tenant) -> None:
    query = """query ($q: String!, $w: JSON) {
        search(query: $q, mode: TEXT, types: ["Person"], where: $w) { nodes { score } } }"""
    refusal = people.ask(query, {"q": "Ann", "w": {"serial": {"eq": "AB-1234567"}}}, label="SECRET").refused()
    assert "cannot be asked for here" in refusal.error["message"]


def test_rdf_leaves_out_what_is_encrypted(people: Tenant) -> None:
    person(people, "Ann", serial="AB-1234567", code=7)
    headers = people.authorization("SECRET")
    answer = people.server.client.get("/export/rdf", params={"format": "turtle"}, headers=headers)
    assert answer.status_code == 200
    assert "Ann" in answer.text
    data = answer.text[answer.text.index('"Ann"') :]
    assert not [word for word in ("AB-1234567", "4567", "_encrypted", "ann@example.org") if word in data]


def test_history_and_what_was_show_markers(people: Tenant) -> None:
    id = person(people, serial="AB-1234567")
    query = """query ($id: ID!) { person(id: $id) { history { nodes { data } } }
        events(where: {entityId: $id}) { nodes { data } }
        objectAsOf(id: $id, time: "2999-01-01T00:00:00Z") { data } }"""
    people.server.settle()
    data = people.data(query, {"id": id}, label="SECRET")
    marker = {"_encrypted": True}
    assert data["objectAsOf"]["data"] == {"name": "Ann", "serial": marker, "mail": marker}
    after = {"name": "Ann", "serial": marker, "mail": marker}
    assert data["person"]["history"]["nodes"] == [{"data": {"revision": 1, "before": {}, "after": after}}]
    assert data["events"]["nodes"] == data["person"]["history"]["nodes"]


def test_exports_show_what_queries_show(people: Tenant) -> None:
    person(people, serial="AB-1234567")
    query = """query ($s: String) {
        people(where: {serial: {eq: $s}}) { nodes { name serial { hint locked } code { hint } } } }"""
    given = {"s": "AB-1234567"}
    answer = export(people, query, given, label="SECRET")
    assert items(answer) == [{"name": "Ann", "serial": {"hint": "4567", "locked": True}, "code": None}]
    rows = table(export(people, query, given, form=CSV, label="SECRET"))
    assert rows == [["name", "serial.hint", "serial.locked", "code.hint"], ["Ann", "4567", "true", ""]]


def test_a_required_encrypted_field_is_required_and_keeps_its_value(people: Tenant) -> None:
    people.ask('mutation { createPerson(input: {name: "x"}) { changed } }', label="SECRET").refused()
    update = "mutation ($id: ID!) { updatePerson(id: $id, input: {mail: null}) { changed } }"
    people.ask(update, {"id": person(people)}, label="SECRET").refused()


def test_a_forged_marker_is_refused_with_its_place(people: Tenant) -> None:
    given = {"name": "x", "mail": {"_encrypted": True}}
    people.ask(CREATE, {"i": given}, label="SECRET").refused(path=["i", "mail"])


def test_definitions_tell_how_a_field_is_encrypted(people: Tenant) -> None:
    query = '{ typeDefinition(typeName: "Person") { fieldSchema } }'
    definition = people.data(query, label="SECRET")["typeDefinition"]["fieldSchema"]
    assert definition["fields"]["serial"] == {
        "type": "string", "encrypted": True, "purpose": "pii", "hint": "last4", "blindIndex": True,
        "unlock": {"permission": "field:decrypt", "ttlSeconds": 15, "approvals": 0},
    }  # fmt: skip

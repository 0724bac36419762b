"""What a query lists, as RDF: of the export of everything those triples that the query selects, and no others."""

from typing import Any

import pytest
from http_exports import export
from http_server import TYPES, Answer, MakeServer, Server, Tenant, answer, serving
from pyoxigraph import BlankNode, Triple, parse

from ontology.output.writing import FORMATS
from ontology.vocabulary import LABEL, RDF

TURTLE = FORMATS["turtle"].media_type
ASSET, SENSOR = "urn:semantic-fabric:object:Asset:", "urn:semantic-fabric:object:Sensor:"
ALL = """{ assets { nodes { name note count price totals tags installedAt extra
  sensors { edges { node { name kind } link { weight } } } plant { title rank } } } }"""


@pytest.fixture(scope="module")
def filled(server: Server) -> Tenant:
    """Two assets with sensors and a plant; a sensor, links and a version of an asset that are secret."""
    tenant = server.organization()
    tenant.define(*TYPES)
    made = tenant.data(
        """mutation { createAssets(inputs: [
            {name: "pump", note: "wet", count: 3, price: "1.50", totals: ["9", "9", "1"], tags: ["a", "b"],
             installedAt: "2024-01-01T00:00:00.000001Z", extra: {deep: [1.5, null]}}, {name: "a b"}]) { assets { id } }
          createSensors(inputs: [{name: "s1", kind: HOT}, {name: "s2"}]) { sensors { id } }
          createPlant(input: {title: "Mill"}) { plant { id } } }"""
    )
    pump, other = [a["id"] for a in made["createAssets"]["assets"]]
    first, second = [s["id"] for s in made["createSensors"]["sensors"]]
    hidden = tenant.data('mutation { createSensor(input: {name: "hidden"}) { sensor { id } } }', label="SECRET")
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    sensor = {"relation": "has_sensor", "from": pump}
    for each in (
        {**sensor, "to": first, "weight": 2.0, "properties": {"channel": 4, "note": "x"}},
        {**sensor, "to": first, "key": "spare", "validFrom": "2024-01-01T00:00:00.5Z"},
        {**sensor, "to": second},
        {"relation": "has_sensor", "from": other, "to": first},
        {"relation": "contains", "from": made["createPlant"]["plant"]["id"], "to": pump},
    ):
        tenant.data(link, {"i": each})
    secret = {"label": "SECRET"}
    tenant.data(link, {"i": {**sensor, "to": hidden["createSensor"]["sensor"]["id"]}}, **secret)
    tenant.data(link, {"i": {"relation": "has_sensor", "from": other, "to": second, "weight": 7.25}}, **secret)
    update = 'mutation ($id: ID!) { updateAsset(id: $id, input: {note: "covert"}) { changed } }'
    tenant.data(update, {"id": pump}, **secret)
    return tenant


def triples(found: Answer, format: str = "turtle") -> set[Any]:
    """Each statement about a link as one, whatever its node is called."""
    assert found.status == 200, found.content
    whole = {Triple(q.subject, q.predicate, q.object) for q in parse(found.content, FORMATS[format])}
    said: dict[BlankNode, set[Any]] = {}
    for t in whole:
        if isinstance(t.subject, BlankNode):
            said.setdefault(t.subject, set()).add((t.predicate, t.object))
    statements = [frozenset(each) for each in said.values()]
    assert len(statements) == len(set(statements)), "a link is told of once"
    return {t for t in whole if not isinstance(t.subject, BlankNode)} | set(statements)


def everything(tenant: Tenant, label: str = "UNCLASSIFIED") -> set[Any]:
    """All but the definitions."""
    headers = tenant.authorization(label)
    given = {"format": "ntriples"}
    found = triples(answer(lambda: tenant.server.client.get("/export/rdf", params=given, headers=headers)), "ntriples")
    objects = {t.subject for t in found if isinstance(t, Triple) and t.predicate == LABEL}
    return {t for t in found if (t.subject in objects if isinstance(t, Triple) else (RDF.type, RDF.Statement) in t)}


@pytest.mark.parametrize("label", ["UNCLASSIFIED", "SECRET"])
@pytest.mark.parametrize("format", FORMATS)
def test_who_selects_all_has_what_the_export_of_everything_has(filled: Tenant, format: str, label: str) -> None:
    found = export(filled, ALL, form=FORMATS[format].media_type, label=label)
    assert found.headers["content-type"] == FORMATS[format].media_type
    assert found.headers["content-disposition"].startswith('attachment; filename="assets.')
    assert triples(found, format) == everything(filled, label)
    statements = sum(isinstance(each, frozenset) for each in everything(filled, label))
    assert statements == {"UNCLASSIFIED": 2, "SECRET": 6}[label]
    by_name = export(filled, ALL, form="*/*", label=label, parameters={"format": format})
    assert triples(by_name, format) == triples(found, format)


@pytest.mark.parametrize(
    "query",
    [
        "{ assets { nodes { id } } }",
        '{ assets(where: {name: {eq: "pump"}}) { nodes { n: name sensors { edges { link { id } } } } } }',
        "{ assets(first: 1) { a: nodes { note sensors(first: 1) { nodes { kind } } } totalCount } }",
        "{ sensors { edges { a: node { name } b: node { kind assets { nodes { count } totalCount } } cursor } } }",
        "{ plants { nodes { assets(first: 2) { nodes { sensors { nodes { assets { nodes { name } } } } } } } } }",
        "{ assets { nodes { ... on Node { id } sensorsAggregate { count } history { totalCount: __typename } } } }",
    ],
)
@pytest.mark.parametrize("label", ["UNCLASSIFIED", "SECRET"])
def test_any_selection_has_a_part_of_that(filled: Tenant, query: str, label: str) -> None:
    found = triples(export(filled, query, form=TURTLE, label=label))
    assert found
    assert found < everything(filled, label)


def test_nothing_comes_that_is_above_the_label(filled: Tenant) -> None:
    content = export(filled, ALL, form=TURTLE).content
    assert not [word for word in (b"hidden", b"covert", b"7.25", b"SECRET") if word in content]
    above = export(filled, ALL, form=TURTLE, label="SECRET").content
    assert all(word in above for word in (b"hidden", b"covert", b"7.25"))
    assert triples(export(filled, ALL, form=TURTLE, label="SECRET", session_label="UNCLASSIFIED")) == everything(filled)


def test_of_an_object_come_its_key_its_type_its_label_and_what_is_selected(filled: Tenant) -> None:
    query = "query ($n: String) { assets(where: {name: {eq: $n}}) { nodes { count } } }"
    found = triples(export(filled, query, {"n": "pump"}, form=TURTLE))
    assert {t.subject.value for t in found} == {f"{ASSET}pump"}
    type_ = "urn:semantic-fabric:type:Asset#"
    assert {t.predicate.value for t in found} == {RDF.type.value, LABEL.value, f"{type_}name", f"{type_}count"}


def test_links_are_selected_too(filled: Tenant) -> None:
    query = '{ assets(where: {name: {eq: "a b"}}) { nodes { id sensors { nodes { id } } } } }'
    found = {t for t in triples(export(filled, query, form=TURTLE)) if t.subject.value == f"{ASSET}a%20b"}
    assert [t.object.value for t in found if "relation#" in t.predicate.value] == [f"{SENSOR}s1"]
    without = export(filled, "{ assets { nodes { id } } }", form=TURTLE)
    assert b"relation#" not in without.content


def test_an_empty_list_is_a_graph_without_triples(filled: Tenant) -> None:
    for format in FORMATS:
        found = export(filled, "{ assets(first: 0) { nodes { name } } }", form=FORMATS[format].media_type)
        assert triples(found, format) == set()


def test_a_list_of_many_rows_is_whole(server: Server) -> None:
    tenant = server.organization()
    tenant.define(*TYPES)
    for start in range(0, 600, 200):
        inputs = [{"name": f"n{number}"} for number in range(start, start + 200)]
        tenant.data("mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { position } }", {"i": inputs})
    for format in FORMATS:
        found = export(tenant, "{ assets { nodes { name } } }", form=FORMATS[format].media_type)
        assert len(triples(found, format)) == 3 * 600


@pytest.mark.parametrize(
    ("query", "roles", "code"),
    [
        ("{ assets { edges { cursor } } }", ("admin",), "BAD_USER_INPUT"),
        ("{ viewer { subject } }", ("admin",), "BAD_USER_INPUT"),
        ("{ assets { nodes { id } } }", ("clerk",), "FORBIDDEN"),
    ],
)
def test_what_is_refused_is_told_before_the_first_byte(
    filled: Tenant, query: str, roles: tuple[str, ...], code: str
) -> None:
    found = export(filled, query, form=TURTLE, roles=roles)
    assert [error["extensions"]["code"] for error in found.body["errors"]] == [code]


def test_where_only_registered_documents_run_it_is_refused(new_server: MakeServer) -> None:
    with new_server() as lenient:
        tenant = lenient.organization()
        tenant.define(*TYPES)
        query = "{ assets { nodes { id } } }"
        tenant.data("mutation ($t: [String!]!) { registerDocuments(texts: $t) { changed } }", {"t": [query]})
        url = lenient.admin_url.replace("//postgres@", "//semantic_fabric_server@")
        changed = {"documents": "registered"}
        with serving(url, lenient.admin_url, lenient.settings.data_dir, changed=changed) as strict:
            only = Tenant(strict, tenant.name)
            assert export(only, query).status == 200
            found = export(only, query, form=TURTLE)
            assert [error["extensions"]["code"] for error in found.body["errors"]] == ["FORBIDDEN"]

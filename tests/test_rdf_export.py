"""What an export as RDF holds: what its reader sees, in a form from which the same is made elsewhere."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import rdflib
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Triple, parse
from rdflib.compare import isomorphic
from test_export import LABELS, TOP, Ground, World

from fabric.database.db import Database
from fabric.errors import NotFound
from fabric.identity.organizations import Organization
from fabric.transfer.jsonl import JsonLines
from fabric.transfer.loader import Loader, Summary
from fabric.types.definitions import Field
from fabric.types.kinds import Kind, canonical
from fabric.types.types import Types
from ontology.input.reading import reading
from ontology.output.export import export
from ontology.output.writing import FORMATS, Writer
from ontology.source import RdfSource
from ontology.values import literal, value_of

pytestmark = pytest.mark.anyio

ENDINGS = {"turtle": "ttl", "nquads": "nq", "ntriples": "nt", "rdfxml": "rdf", "jsonld": "jsonld"}
LINES = [
    {"define": {"typeName": "Town", "iri": "http://example.org/Town", "fields": {
        "code": {"type": "string", "required": True}, "names": {"type": "string", "list": True},
        "size": {"type": "integer", "iri": "http://example.org/size"},
        "motto": {"type": "text", "iri": "http://example.org/motto"},
        "mottoDe": {"type": "text", "iri": "http://example.org/motto", "language": "de"},
        "mottosFr": {"type": "string", "list": True, "iri": "http://example.org/motto", "language": "FR-ca"}},
        "naturalKey": ["code"],
        "links": {"near": {"relation": "is near", "target": "Town", "minLinks": 1, "maxLinks": 3,
                           "properties": {"km": {"type": "float"}}}}}},
    {"type": "Town", "key": {"code": "a b"}, "data": {"names": ["b", "a", "a"], "size": 7}},
    {"type": "Town", "key": {"code": "c"}, "label": "SECRET", "data": {"names": ["a\ufffe", "b\u0001"], "size": 8}},
    {"type": "Town", "key": {"code": "d"}, "data": {"names": [], "motto": "m", "mottoDe": "m", "mottosFr": ["n", "m"]}},
    {"type": "Town", "key": {"code": "e"}, "data": {"mottoDe": "a\u0001", "mottosFr": ["b\u0001\ufffe"]}},
    {"link": "is near", "from": {"type": "Town", "key": {"code": "a b"}}, "to": {"type": "Town", "key": {"code": "d"}}},
    {"link": "is near", "from": {"type": "Town", "key": {"code": "d"}}, "to": {"type": "Town", "key": {"code": "a b"}},
     "weight": 0.5, "properties": {"km": 3.0}, "semanticNamespace": "http://example.org/", "semanticPredicate": "near"},
    {"link": "is near", "key": "k", "from": {"type": "Town", "key": {"code": "d"}},
     "to": {"type": "Town", "key": {"code": "a b"}}},
    {"link": "is near", "from": {"type": "Town", "key": {"code": "d"}}, "to": {"type": "Town", "key": {"code": "d"}},
     "semanticNamespace": "http://example.org/", "semanticPredicate": "size"},
]  # fmt: skip


@pytest.fixture
def ground(database: Database, types: Types, admin_url: str) -> Ground:
    return Ground(database, types, admin_url)


async def exported(
    ground: Ground, organization: Organization, format: str, label: str = TOP, type_name: str | None = None
) -> bytes:
    subject = ground.subject(organization, label)
    blocks = export(ground.database, organization, subject, Writer(format), type_name)
    return b"".join([block async for block in blocks])


async def load(ground: Ground, organization: Organization, files: Sequence[Path], label: str = TOP) -> Summary:
    subject = ground.subject(organization, label)
    with reading(files) as read:
        source = RdfSource(read, await ground.types.catalogue(subject.session), organization.lattice)
        assert source.notices == []
        run = Loader(ground.database, ground.types, organization, subject)
        return await run.load(source.definitions(), source.objects(), source.links())


async def with_lines(ground: Ground, folder: Path, lines: list[Any], name: str = "acme") -> Organization:
    organization = await ground.organization(name)
    (folder / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary = await ground.load(organization, JsonLines(folder / "lines.jsonl"))
    assert summary.problems == []
    return organization


@pytest.mark.parametrize(("format", "seed"), [*zip(FORMATS, [1, 2, 3, 4, 5], strict=True)])
async def test_any_world_imported_elsewhere_is_the_same(ground: Ground, format: str, seed: int, tmp_path: Path) -> None:
    world = await World(ground, await ground.organization("acme"), seed).make()
    path = tmp_path / f"export.{ENDINGS[format]}"
    for number, label in enumerate((LABELS[0], LABELS[3], TOP)):
        path.write_bytes(await exported(ground, world.organization, format, label))
        other = await ground.organization(f"other {number}")
        summary = await load(ground, other, [path], label)
        assert summary.problems == []
        assert await ground.export(other, label) == await ground.export(world.organization, label)
        again = await load(ground, world.organization, [path], label)
        assert (again.problems, again.types) == ([], [])
        assert not any((again.objects.created, again.objects.updated, again.links.created, again.links.updated))


@pytest.mark.parametrize("format", FORMATS)
async def test_order_keys_iris_and_odd_characters_are_kept(ground: Ground, format: str, tmp_path: Path) -> None:
    organization = await with_lines(ground, tmp_path, LINES)
    path = tmp_path / f"export.{ENDINGS[format]}"
    path.write_bytes(await exported(ground, organization, format))
    other = await ground.organization("other")
    assert (await load(ground, other, [path])).problems == []
    assert await ground.export(other) == await ground.export(organization)


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # within rdflib
async def test_others_read_the_same_graph_in_every_format(ground: Ground, tmp_path: Path) -> None:
    lines = [line for line in LINES if "\ufffe" not in json.dumps(line, ensure_ascii=False)]
    organization = await with_lines(ground, tmp_path, lines)
    graphs = [
        rdflib.Graph().parse(data=await exported(ground, organization, format), format=theirs)
        for format, theirs in (("turtle", "turtle"), ("rdfxml", "xml"), ("ntriples", "nt"), ("jsonld", "json-ld"))
    ]
    assert len(graphs[0]) > 40
    assert all(isomorphic(graphs[0], graph) for graph in graphs[1:])
    town, near = rdflib.URIRef("http://example.org/Town"), rdflib.URIRef("http://example.org/near")
    assert len(list(graphs[0].subjects(rdflib.RDF.type, town))) == 2
    assert len(list(graphs[0].subject_objects(near))) == 1, "the link's own predicate stands for its relation"
    relation = rdflib.URIRef("urn:semantic-fabric:relation#is.20.near")
    assert len(list(graphs[0].subject_objects(relation))) == 2, "parallel links are one triple"
    assert len(list(graphs[0].subjects(rdflib.RDF.type, rdflib.RDF.Statement))) == 3


async def test_a_reader_gets_nothing_above_its_label(ground: Ground, tmp_path: Path) -> None:
    secret = {"define": {"typeName": "Plan", "label": "SECRET/ALPHA", "iri": "http://example.org/hidden"}}
    organization = await with_lines(ground, tmp_path, [*LINES, secret])
    for format in FORMATS:
        text = (await exported(ground, organization, format, "UNCLASSIFIED")).decode()
        assert "Town" in text
        assert not [word for word in ("SECRET", "ALPHA", "Plan", "hidden", '"c"', ">c<") if word in text]
    assert "hidden" in (await exported(ground, organization, "turtle")).decode()


async def test_one_type_comes_with_the_links_among_its_objects(ground: Ground, tmp_path: Path) -> None:
    other = {"define": {"typeName": "Mayor", "links": {"of": {"relation": "of", "target": "Town"}}}}
    id = "0e3c1d3e-8a5f-4c0e-9d3c-2b7f2f0f7a11"
    lines = [*LINES, other, {"type": "Mayor", "id": id, "data": {}}]
    lines.append({"link": "of", "from": {"id": id}, "to": {"type": "Town", "key": {"code": "d"}}})
    organization = await with_lines(ground, tmp_path, lines)
    whole, some = [await exported(ground, organization, "nquads", TOP, name) for name in (None, "Town")]
    assert id.encode() in whole
    assert id.encode() not in some
    assert b"is.20.near> <urn" in some
    with pytest.raises(NotFound):
        await exported(ground, organization, "nquads", TOP, "Nothing")


RDF, OWN = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "urn:semantic-fabric:"


@pytest.mark.parametrize(
    "iri",
    [
        f"{OWN}vocabulary#label", f"{OWN}vocabulary#definition", f"{OWN}type:Town#names", f"{OWN}relation#is.20.near",
        f"{RDF}type", f"{RDF}li", f"{RDF}Description", f"{RDF}aboutEach", "http://www.w3.org/2000/xmlns/a",
        "http://www.w3.org/2002/07/owl#inverseOf", "http://www.w3.org/2000/01/rdf-schema#subClassOf",
    ],
)  # fmt: skip
async def test_no_value_and_no_link_says_what_rdf_or_the_fabric_says(ground: Ground, iri: str, tmp_path: Path) -> None:
    forger = {
        "typeName": "Forger", "iri": f"{OWN}type#Town", "extends": "Town", "fields": {
            "says": {"type": "string", "iri": iri, "datatype": f"{RDF}langString"}},
        "links": {"leads": {"relation": "leads", "target": "Town", "iri": iri},
                  "led": {"relation": "led", "target": "Town", "iri": iri, "direction": "in"}},
    }  # fmt: skip
    ends = {"from": {"type": "Forger", "key": {"code": "f"}}, "to": {"type": "Town", "key": {"code": "d"}}}
    local = next(i for i in range(len(iri), 0, -1) if iri[i - 1] in "/#:")
    meaning = {"semanticNamespace": iri[:local], "semanticPredicate": iri[local:]}
    forged = {"type": "Forger", "key": {"code": "f"}, "label": "SECRET", "data": {"says": "CONFIDENTIAL"}}
    lines = [*LINES, {"define": forger}, forged, {"link": "leads", **ends, **meaning}]
    organization = await with_lines(ground, tmp_path, lines)
    path = tmp_path / "export.rdf"
    path.write_bytes(await exported(ground, organization, "rdfxml"))
    rdflib.Graph().parse(path)
    other = await ground.organization("other")
    assert (await load(ground, other, [path])).problems == []
    assert await ground.export(other) == await ground.export(organization)


async def test_what_no_parser_takes_is_not_written(ground: Ground, tmp_path: Path) -> None:
    noted = {"http://example.org/note": [{"@value": "x", "@type": f"{RDF}langString"}, {"@value": "kept"}]}
    fields = {"says": {"type": "text", "datatype": f"{RDF}langString", "annotations": noted}}
    lines = [{"define": {"typeName": "Said", "fields": fields, "annotations": noted}}]
    lines.append({"type": "Said", "id": "0e3c1d3e-8a5f-4c0e-9d3c-2b7f2f0f7a11", "data": {"says": "hello"}})
    organization = await with_lines(ground, tmp_path, lines)
    for format in FORMATS:
        said = {quad.object.value for quad in parse(await exported(ground, organization, format), FORMATS[format])}
        assert {"kept", "hello"} <= said


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8,
)  # fmt: skip
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.STRING: texts,
    Kind.TEXT: texts,
    Kind.INTEGER: st.integers(-(2**31), 2**31 - 1),
    Kind.BIGINT: st.integers(-(2**63), 2**63 - 1),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Kind.DECIMAL: st.decimals(-(10**9), 10**9, allow_nan=False, places=5).map(str),
    Kind.BOOLEAN: st.booleans(),
    Kind.DATE: st.dates().map(lambda d: d.isoformat()),
    Kind.DATETIME: st.datetimes().map(lambda d: d.isoformat() + "Z"),
    Kind.DURATION: st.integers(0, 10**9).map(lambda s: f"PT{s}S"),
    Kind.UUID: st.uuids().map(str),
    Kind.URI: st.sampled_from(["https://example.org/ä?b=1#c", "urn:x:y", "mailto:a@b"]),
    Kind.JSON: json_values.filter(lambda v: v is not None),
    Kind.ENUM: st.sampled_from(["A", "B"]),
}  # fmt: skip


@given(st.data(), st.sampled_from(sorted(FORMATS)), st.sampled_from(sorted(VALUES)))
def test_every_value_comes_back_from_every_format(data: st.DataObject, format: str, kind: Kind) -> None:
    field = Field("x", kind, values=("A", "B") if kind is Kind.ENUM else ())
    value = canonical(kind, data.draw(VALUES[kind]), values=field.values)
    writer, subject = Writer(format), NamedNode("http://example.org/a")
    triple = Triple(subject, NamedNode("http://example.org/p"), literal(kind, value))
    written = writer.head() + writer.block([triple]) + writer.block([]) + writer.tail()
    (quad,) = parse(written, FORMATS[format])
    assert isinstance(quad.object, Literal)
    assert value_of(field, quad.object) == value


def test_blocks_of_any_size_make_one_document() -> None:
    triples = [
        Triple(NamedNode(f"http://example.org/{n // 2}"), NamedNode("http://example.org/p"), Literal(str(n)))
        for n in range(5)
    ]
    for format in FORMATS:
        writer = Writer(format)
        blocks = [writer.block(triples[:1]), writer.block([]), writer.block(triples[1:4]), writer.block(triples[4:])]
        written = b"".join([writer.head(), *blocks, writer.tail()])
        assert [q.triple for q in parse(written, FORMATS[format])] == triples
        for once in (b"@prefix xsd:", b"<rdf:RDF", b"<?xml"):
            assert written.count(once) == writer.head().count(once)


async def test_an_object_that_is_a_class_too_gets_no_label_from_its_type(ground: Ground, tmp_path: Path) -> None:
    text = """@prefix ex: <http://example.org/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
        @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
        ex:Kind a owl:Class . ex:Method a owl:Class, ex:Kind ; rdfs:label "way", "way"@en ; rdfs:comment "How." ."""
    (tmp_path / "punned.ttl").write_text(text)
    organization, other = await ground.organization("acme"), await ground.organization("other")
    assert (await load(ground, organization, [tmp_path / "punned.ttl"])).problems == []
    (tmp_path / "export.ttl").write_bytes(await exported(ground, organization, "turtle"))
    assert b'"Method"' in (tmp_path / "export.ttl").read_bytes()
    assert (await load(ground, other, [tmp_path / "export.ttl"])).problems == []
    assert await ground.export(other) == await ground.export(organization)

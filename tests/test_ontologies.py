"""PROV-O and schema.org as they are published. Skipped where the files are not beside the checkout."""

from pathlib import Path

import pytest
from graphql import parse as parse_query
from graphql import validate, validate_schema
from pyoxigraph import BlankNode, NamedNode, RdfFormat, Triple, parse
from test_export import Ground

from fabric.database.db import Database
from fabric.labels import Lattice
from fabric.transfer.loader import Loader
from fabric.types.merging import EMPTY
from fabric.types.type_documents import as_document
from fabric.types.types import Types
from graphql_api.schema.schema import build_surface, build_whole
from ontology.input.reading import reading
from ontology.iris import Iris
from ontology.output.triples import Triples
from ontology.source import RdfSource
from ontology.vocabulary import OWL, RDFS

PROV = "http://www.w3.org/ns/prov#"
FOLDER = Path(__file__).parents[2] / "shared/data/ontologies"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the ontologies are not beside the checkout")


def source_of(name: str) -> RdfSource:
    with reading([FOLDER / name]) as read:
        return RdfSource(read, EMPTY, Lattice(()))


def test_prov_o_is_a_schema_that_holds() -> None:
    source = source_of("prov-o.ttl")
    schema = build_whole(source.catalogue)
    assert validate_schema(schema) == []
    assert len(source.definitions()) == 31
    assert source.catalogue.types["End"].parents == ("EntityInfluence", "InstantaneousEvent")
    query = "{ activities { nodes { iri startedAtTime used { nodes { iri ... on Plan { labels } } } } } }"
    assert validate(schema, parse_query(query)) == []


def test_what_prov_o_says_comes_out_again_but_for_nodes_without_names_and_what_is_not_its_own() -> None:
    text = (FOLDER / "prov-o.ttl").read_bytes()
    source = source_of("prov-o.ttl")
    triples, types = Triples(Iris(source.catalogue)), source.catalogue.types.values()
    told = {t for each in types for t in triples.definition(as_document(each, Lattice(()).decode))}
    missing = {Triple(q.subject, q.predicate, q.object) for q in parse(text, RdfFormat.TURTLE)} - told
    own = [t for t in missing if isinstance(t.subject, NamedNode) and t.subject.value.startswith(PROV)]
    restated = {RDFS.domain, RDFS.range, OWL.inverseOf, RDFS.subPropertyOf}
    assert {t.predicate for t in own if not isinstance(t.object, BlankNode)} == restated


def test_schema_org_can_be_asked_by_each_of_several_parents() -> None:
    source = source_of("schemaorg.ttl.gz")
    schema = build_surface(source.catalogue).schema
    query = """{ localBusinesses { nodes { name addressLinks { nodes { iri } } ... on Restaurant { servesCuisine } } }
                 places { nodes { iri ... on LocalBusiness { openingHours } } } }"""
    assert validate(schema, parse_query(query)) == []
    assert len(source.definitions()) > 1000
    assert source.catalogue.types["LocalBusiness"].parents == ("Organization", "Place")


@pytest.mark.anyio
async def test_schema_org_goes_in_and_comes_out_again(database: Database, types: Types, admin_url: str) -> None:
    ground = Ground(database, types, admin_url)
    organization = await ground.organization("acme")
    subject = ground.subject(organization)
    with reading([FOLDER / "schemaorg.ttl.gz"]) as read:
        source = RdfSource(read, await types.catalogue(subject.session), organization.lattice)
        run = Loader(database, types, organization, subject)
        summary = await run.load(source.definitions(), source.objects(), source.links())
        assert (len(summary.types), summary.objects.created) == (len(source.definitions()), 538)
        assert [p.message for p in summary.problems if not p.message.endswith(": not found")] == []
        again = RdfSource(read, await types.catalogue(subject.session), organization.lattice)
        known = await types.catalogue(subject.session)
        assert again.catalogue.fingerprint == known.fingerprint

"""How many links there are to be, as exported shapes say it: what another reads is the same, and nothing more."""

import random
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pyshacl
import pytest
import rdflib
from hypothesis import given, settings
from hypothesis import strategies as st
from rdf_files import EX, definitions, notices
from test_export import LABELS, TOP, Ground

from fabric.database.db import Database
from fabric.errors import FabricError
from fabric.identity.organizations import Organization
from fabric.labels import Lattice
from fabric.types.document_reading import read_document
from fabric.types.merging import EMPTY
from fabric.types.projection import Definer, plan
from fabric.types.types import Types
from fabric.validation.link_counts import miscounted
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects
from ontology.iris import Iris
from ontology.output.export import Inferred, export
from ontology.output.triples import Triples
from ontology.output.writing import Writer
from ontology.vocabulary import BASE, DEFINITION

SH = rdflib.Namespace("http://www.w3.org/ns/shacl#")
OWN = {"semantic_namespace": EX, "semantic_predicate": "other"}


def thing(links: dict[str, Any], name: str = "Thing", **given: Any) -> dict[str, Any]:
    said = {key: {"relation": key, "target": "Thing", **link} for key, link in links.items()}
    return {"typeName": name, "label": "UNCLASSIFIED", "links": said, **given}


_COUNTS = st.one_of(
    st.builds(lambda least: {"cardinality": "one", "minLinks": least}, st.integers(0, 1)),
    st.builds(lambda least, more: {"minLinks": least, "maxLinks": max(least, 2) + more}, st.integers(0, 9),
              st.integers(0, 9)),
    st.builds(lambda least: {"minLinks": least}, st.integers(1, 9)),
)  # fmt: skip


def told(*documents: dict[str, Any]) -> str:
    """Of the first one, for others than the fabric."""
    catalogue = plan(EMPTY, [read_document(each) for each in documents], Definer(0, Lattice(())))
    triples = Triples(Iris(catalogue)).definition(documents[0])
    return "".join(f"{triple} .\n" for triple in triples if triple.predicate != DEFINITION)


@settings(max_examples=10)
@given(st.lists(_COUNTS, min_size=1, max_size=3))
def test_counts_come_back_from_shapes_alone(drawn: list[dict[str, Any]]) -> None:
    links = {
        f"p{i}": {"relation": f"p{i}", "target": "A", "iri": f"{EX}p{i}"} | {k: v for k, v in said.items() if v}
        for i, said in enumerate(drawn)
    }
    text = told({"typeName": "A", "iri": f"{EX}A", "links": links})
    found = definitions(text)["A"]["links"]
    left_out = ("annotations", "direction")
    assert {name: {k: v for k, v in said.items() if k not in left_out} for name, said in found.items()} == links
    assert notices(text) == set()


def counts(text: str | bytes) -> set[tuple[str, str, int]]:
    """(Shape, minCount or maxCount, number) of what an export says."""
    graph = rdflib.Graph().parse(data=text, format="nt")
    return {
        (str(shape).removeprefix(f"{BASE}shape:"), str(predicate).removeprefix(SH), int(number))
        for predicate in (SH.minCount, SH.maxCount)
        for shape, number in graph.subject_objects(predicate)
    }


def test_where_a_relation_leads_elsewhere_too_there_is_no_most() -> None:
    links = {"some": {"relation": "has", "target": "Part", "minLinks": 2, "maxLinks": 3},
             "only": {"relation": "only", "target": "Part", "maxLinks": 3},
             "other": {"relation": "has", "target": "Thing"}}  # fmt: skip
    incoming = {"relation": "has", "target": "Thing", "direction": "in", "minLinks": 1, "maxLinks": 4}
    said = told({"typeName": "Thing", "links": links | {"of": incoming}}, {"typeName": "Part"})
    assert counts(said) == {("Thing#some", "minCount", 2), ("Thing#only", "maxCount", 3)}


@pytest.mark.anyio
class TestStored:
    @pytest.fixture(autouse=True)
    async def ground(self, database: Database, types: Types, admin_url: str) -> None:
        self.database, self.types = database, types
        self.made = Ground(database, types, admin_url)
        self.organization: Organization = await self.made.organization("acme")
        self.ids = [UUID(int=number, version=4) for number in range(1, 9)]

    async def define(self, *documents: dict[str, Any]) -> None:
        await self.types.define(self.made.subject(self.organization), self.organization.lattice, documents)

    async def create(self, name: str, ids: Iterable[UUID], at: str = "UNCLASSIFIED") -> None:
        changes = [Change("create", name, {}, id) for id in ids]
        await Objects(self.types).write(self.made.subject(self.organization, at), self.organization, changes)

    async def link(
        self, relation: str, source: UUID, target: UUID, key: str | None = None, at: str = "UNCLASSIFIED", **values: Any
    ) -> None:
        change = LinkChange("link", relation, source, target, key, values=values)
        await Links(self.types).write(self.made.subject(self.organization, at), self.organization, [change])

    async def exported(self, at: str = TOP, **options: Any) -> bytes:
        subject = self.made.subject(self.organization, at)
        blocks = export(self.database, self.organization, subject, Writer("ntriples"), **options)
        return b"".join([block async for block in blocks])

    async def reported(self, at: str) -> set[tuple[str, str]]:
        """(Object, minLinks or maxLinks) that validation tells at the label."""
        session = self.made.subject(self.organization, at).session
        catalogue = await self.types.catalogue(session)
        async with self.database.transaction(session) as transaction:
            rows = await transaction.fetch("select object_id, type_name from fabric.objects where not tombstone")
            found = await miscounted(transaction, catalogue, self.organization.organization_id, rows)
        return {(f"{BASE}id:{id}", constraint) for id, broken in found.items() for _, constraint in broken}

    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_what_another_checks_by_the_shapes_is_what_validation_tells(self, seed: int) -> None:
        chance = random.Random(seed)
        asked = {"near": {"minLinks": 2, "maxLinks": 3}, "far": {"minLinks": 1}}
        await self.define(thing(asked), thing({"near": {"minLinks": 3}}, "Well", extends="Thing"))
        await self.create("Thing", self.ids[:4])
        await self.create("Well", self.ids[4:6])
        await self.create("Thing", self.ids[6:], at="SECRET")
        for end in self.ids[:3]:
            await self.link("near", self.ids[0], end, at=TOP)
        await self.link("near", self.ids[0], self.ids[3])
        for _ in range(40):
            ends = chance.choice(self.ids), chance.choice(self.ids)
            key, at = chance.choice([None, None, "a", "b"]), chance.choice(["UNCLASSIFIED", "SECRET", TOP])
            try:
                await self.link(chance.choice(["near", "near", "far"]), *ends, key, at=at)
            except FabricError:
                continue
        seen = set()
        for label in (LABELS[0], "SECRET", TOP):
            graph = rdflib.Graph().parse(data=await self.exported(label), format="nt")
            _, results, _ = pyshacl.validate(graph, shacl_graph=graph)
            assert isinstance(results, rdflib.Graph)
            words = {SH.MinCountConstraintComponent: "minLinks", SH.MaxCountConstraintComponent: "maxLinks"}
            checked = {
                (str(results.value(result, SH.focusNode)), words[component])
                for result, component in results.subject_objects(SH.sourceConstraintComponent)
                if isinstance(component, rdflib.URIRef)
            }
            assert checked == await self.reported(label)
            seen |= {constraint for _, constraint in checked}
        assert seen == {"minLinks", "maxLinks"}

    async def test_where_links_name_their_own_predicate_the_number_of_triples_says_nothing(self) -> None:
        asked = {"minLinks": 1, "maxLinks": 9}
        await self.define(thing({"near": asked, "far": asked | {"iri": f"{EX}far"}}))
        await self.create("Thing", self.ids)
        whole = {(f"Thing#{name}", *said) for name in ("near", "far") for said in (("minCount", 1), ("maxCount", 9))}
        assert counts(await self.exported()) == whole
        await self.link("near", *self.ids[:2], at=TOP, **OWN)
        assert counts(await self.exported()) == whole - {("Thing#near", "minCount", 1)}
        assert counts(await self.exported("SECRET")) == whole, "what is hidden changes nothing"
        await self.link("far", *self.ids[6:], **OWN)
        gone = Change("delete", "Thing", object_id=self.ids[7])
        await Objects(self.types).write(
            self.made.subject(self.organization, "SECRET"), self.organization, [gone]
        )
        assert counts(await self.exported("SECRET")) == whole, "nor does what leads nowhere"
        await self.link("near", *self.ids[1:3], semantic_namespace=EX, semantic_predicate="far")
        assert counts(await self.exported()) == whole - {("Thing#near", "minCount", 1), ("Thing#far", "maxCount", 9)}

    async def test_who_sees_one_link_at_each_of_two_labels_is_not_told_that_there_is_one_at_most(self) -> None:
        await self.define(thing({"near": {"cardinality": "one"}}))
        await self.create("Thing", self.ids)
        await self.link("near", *self.ids[:2])
        await self.link("near", self.ids[0], self.ids[1], "again", at="SECRET")
        most = {("Thing#near", "maxCount", 1)}
        assert counts(await self.exported()) == most
        await self.link("near", self.ids[0], self.ids[2], at=TOP)
        assert counts(await self.exported()) == set()
        assert counts(await self.exported("SECRET")) == most

    async def test_of_a_part_and_beside_inferred_links_the_number_of_triples_says_nothing(self) -> None:
        await self.define(
            thing({"near": {"minLinks": 1, "maxLinks": 9, "transitive": True}}),
            thing({"to": {"minLinks": 1, "maxLinks": 9}}, "Other"),
        )
        most, least = {("Thing#near", "maxCount", 9)}, {("Thing#near", "minCount", 1)}
        of_other = {("Other#to", "minCount", 1), ("Other#to", "maxCount", 9)}
        assert counts(await self.exported()) == most | least | of_other
        assert counts(await self.exported(inferred=Inferred.MARKED)) == least | of_other
        assert counts(await self.exported(type_name="Thing")) == most | least | {("Other#to", "maxCount", 9)}



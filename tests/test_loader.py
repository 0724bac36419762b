"""Loading import records: once, again, after an interruption, with bad records among good ones, at many labels."""

import itertools
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject, run_sql
from hypothesis import given
from hypothesis import strategies as st

from fabric.database.db import Database
from fabric.errors import Forbidden, Internal
from fabric.identity.link_labels import labels_of_ends
from fabric.identity.organizations import Organization
from fabric.labels import Lattice, dominates, rank
from fabric.transfer import batches, loader
from fabric.transfer.batches import BOTTOM, Batch, BatchesByLabel
from fabric.transfer.loader import Loader, Summary, Tally, needed_compartments
from fabric.transfer.records import Problem, Record
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio

TOP = "TOP_SECRET/ALPHA,BRAVO,CHARLIE"
FIELDS = {"code": {"type": "string", "required": True}, "title": {"type": "string"}, "pages": {"type": "integer"}}
CITES = {"relation": "cites", "target": "Document", "properties": {"page": {"type": "integer"}}}
INTEGER = "expected an integer between -2147483648 and 2147483647, got "
OUT_OF_REACH = "label: the label must be one that this run's clearance dominates"
EARLY, LATE = "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"
REPLACES = {"relation": "replaces", "target": "Document", "cardinality": "one"}


def define(name: str = "Document", **members: Any) -> dict[str, Any]:
    return {"define": {"typeName": name, "fields": FIELDS, "naturalKey": ["code"], **members}}


DOCUMENT = define(links={"cites": CITES, "replaces": REPLACES})
NOTE = {"define": {"typeName": "Note", "fields": {"text": {"type": "text"}}}}


def document(code: str, label: str | None = None, **data: Any) -> dict[str, Any]:
    return {"type": "Document", "key": {"code": code}, "data": data} | ({"label": label} if label else {})


def end(code: str) -> dict[str, Any]:
    return {"type": "Document", "key": {"code": code}}


def link(source: str, target: str, relation: str = "cites", **members: Any) -> dict[str, Any]:
    return {"link": relation, "from": end(source), "to": end(target), **members}


@dataclass
class Ground:
    """One organization's database, to load into and to look at from outside."""

    database: Database
    types: Types
    organization: Organization
    subject: MakeSubject
    admin_url: str

    async def load(self, *bodies: Any, label: str = TOP, role: str = "admin", **options: Any) -> Summary:
        """Bodies are numbered as lines; a Problem stands for itself, among the objects."""
        run = Loader(self.database, self.types, self.organization, self.subject(label, (role,)), **options)
        records = [b if isinstance(b, Problem) else Record(f"line {n}", b) for n, b in enumerate(bodies, start=1)]
        parts: dict[str, list[Record | Problem]] = {"define": [], "type": [], "link": []}
        for record in records:
            form = next(f for f in parts if f in record.body) if isinstance(record, Record) else "type"
            parts[form].append(record)
        return await run.load(*parts.values())

    async def versions(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The data of all versions, by code and label."""
        rows = await run_sql(self.admin_url, "select label, data from fabric.objects")
        found = [(self._label(row["label"]), _data(row["data"])) for row in rows]
        return {(data.pop("code", ""), label): data for label, data in found}

    async def links(self) -> list[tuple[str, str, str, str, str]]:
        """All links as relation, codes of source and target, label and key."""
        objects = await run_sql(self.admin_url, "select object_id, data from fabric.objects")
        codes = {row["object_id"]: _data(row["data"]).get("code", "") for row in objects}
        rows = await run_sql(self.admin_url, "select *, coalesce(link_key, '') as key from fabric.links")
        named = ((r["relation"], codes[r["source_id"]], codes[r["target_id"]], r["label"], r["key"]) for r in rows)
        return sorted((relation, a, b, self._label(label), key) for relation, a, b, label, key in named)

    async def events(self) -> int:
        """Events and audit records there are."""
        counts = "select (select count(*) from fabric.events) + (select count(*) from fabric.audit_log)"
        return int((await run_sql(self.admin_url, counts))[0][0])

    def _label(self, code: int) -> str:
        return str(self.organization.lattice.decode(code))


def _data(stored: str) -> dict[str, Any]:
    """By field name: a storage key begins with it."""
    return {re.split("[@#]", key)[0]: value for key, value in json.loads(stored).items()}


@pytest.fixture
def ground(
    database: Database, types: Types, organization: Organization, subject: MakeSubject, admin_url: str
) -> Ground:
    return Ground(database, types, organization, subject, admin_url)


def problems(summary: Summary) -> list[tuple[str, str]]:
    assert summary.problem_count == len(summary.problems)
    return [(p.where, p.message) for p in summary.problems]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SIZE", 4)


class TestRuns:
    BODIES = (
        link("D2", "D1", weight=0.5, properties={"page": 3}, validFrom="2024-01-01T00:00:00+01:00"),
        document("D1", title="One", pages=1),
        document("D2", "SECRET", title="Two"),
        DOCUMENT,
    )

    async def test_everything_is_stored_whatever_the_order(self, ground: Ground) -> None:
        summary = await ground.load(*self.BODIES)
        assert (summary.types, summary.objects, summary.links) == (["Document"], Tally(created=2), Tally(created=1))
        assert (summary.problems, summary.stopped) == ([], False)
        assert await ground.versions() == {
            ("D1", "UNCLASSIFIED"): {"title": "One", "pages": 1},
            ("D2", "SECRET"): {"title": "Two"},
        }
        assert await ground.links() == [("cites", "D2", "D1", "SECRET", "")]

    async def test_a_second_run_writes_nothing(self, ground: Ground) -> None:
        await ground.load(*self.BODIES)
        events = await ground.events()
        summary = await ground.load(*self.BODIES)
        assert (summary.types, summary.objects, summary.links) == ([], Tally(unchanged=2), Tally(unchanged=1))
        assert await ground.events() == events

    async def test_a_change_is_one_update(self, ground: Ground) -> None:
        await ground.load(*self.BODIES)
        events = await ground.events()
        changed = document("D1", pages=2), document("D2", "SECRET", title="Two"), link("D2", "D1", weight=1)
        summary = await ground.load(*changed)
        assert (summary.objects, summary.links) == (Tally(updated=1, unchanged=1), Tally(updated=1))
        assert (await ground.versions())["D1", "UNCLASSIFIED"] == {"title": "One", "pages": 2}
        assert await ground.events() == events + 4  # an event and an audit record each

    async def test_of_the_same_record_twice_the_later_wins(self, ground: Ground) -> None:
        same = [document("D1", pages=1), document("D1", pages=2), document("D1", title="x")]
        summary = await ground.load(DOCUMENT, *same)
        assert summary.problems == []
        assert await ground.versions() == {("D1", "UNCLASSIFIED"): {"pages": 2, "title": "x"}}

    @pytest.mark.usefixtures("small_batches")
    async def test_a_run_that_was_broken_off_is_completed_by_the_next(self, ground: Ground) -> None:
        bodies = [DOCUMENT, *(document(f"D{i}") for i in range(10)), *(link("D0", f"D{i}") for i in range(10))]

        def cut(phase: str, done: int, _: int | None) -> None:
            if (phase, done) == ("links", 8):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await ground.load(*bodies, progress=cut)
        assert len(await ground.links()) == 8
        summary = await ground.load(*bodies)
        assert (summary.objects, summary.links) == (Tally(unchanged=10), Tally(created=2, unchanged=8))
        assert len(await ground.links()) == 10

    @pytest.mark.usefixtures("small_batches")
    async def test_progress_counts_every_record_of_a_phase(self, ground: Ground) -> None:
        bodies = [DOCUMENT, *(document(f"D{i}", "SECRET" if i % 3 else None) for i in range(10)), link("D0", "D1")]
        calls: list[tuple[str, int, int | None]] = []
        await ground.load(*bodies, progress=lambda *call: calls.append(call))
        assert calls[0] == ("definitions", 1, None)
        assert [done for phase, done, _ in calls if phase == "objects"] == [4, 8, 10]
        assert calls[-1] == ("links", 1, None)

    async def test_a_missing_permission_ends_the_run(self, ground: Ground) -> None:
        await ground.load(DOCUMENT)
        with pytest.raises(Forbidden, match="type:define"):
            await ground.load(NOTE, role="writer")
        with pytest.raises(Forbidden, match="object:create"):
            await ground.load(document("D1"), document("D2"), role="reader")

    async def test_objects_without_a_natural_key_go_by_id(self, ground: Ground) -> None:
        note = {"type": "Note", "id": str(uuid4()), "data": {"text": "a"}}
        about = {"relation": "about", "target": "Document"}
        noted = {"define": NOTE["define"] | {"links": {"about": about}}}
        aboutness = {"link": "about", "from": {"id": note["id"]}, "to": end("D1")}
        summary = await ground.load(noted, DOCUMENT, note, document("D1"), aboutness)
        assert (summary.problems, summary.objects.created, summary.links.created) == ([], 2, 1)
        assert (await ground.load(note, aboutness)).objects == Tally(unchanged=1)
        nameless = await ground.load({"type": "Note", "data": {"text": "a"}})
        assert problems(nameless) == [("line 1", "id: required: this type has no natural key")]

    async def test_links_with_keys_are_parallel(self, ground: Ground) -> None:
        parallel = [link("D1", "D1", key="a"), link("D1", "D1", key="b"), link("D1", "D1")]
        await ground.load(DOCUMENT, document("D1"), *parallel, *parallel)
        assert [key for *_, key in await ground.links()] == ["", "a", "b"]

    async def test_the_documents_example_is_as_it_says(self, ground: Ground) -> None:
        text = (Path(__file__).parent.parent / "docs/import-export.md").read_text()
        (example,) = re.findall(r"(?ms)^```jsonl\n(.*?)^```", text)
        bodies = [json.loads(line) for line in example.splitlines()]
        summary = await ground.load(*bodies)
        assert (summary.problems, summary.objects, summary.links) == ([], Tally(created=3, updated=1), Tally(created=2))
        assert await ground.links() == [
            ("about", "", "D1", "UNCLASSIFIED", ""),
            ("cites", "D2", "D1", "CONFIDENTIAL", ""),
        ]


class TestProblems:
    async def test_each_bad_record_is_told_with_its_place_and_keeps_no_other_back(self, ground: Ground) -> None:
        bad = [
            (document("B", pages="many"), f"data.pages: {INTEGER}a string"),
            (document("B", color="red"), "data.color: no such field"),
            (document("B", color=1, pages=0.5), f"data.color: no such field; data.pages: {INTEGER}a float"),
            ({"type": "Dokument", "key": {"code": "B"}}, "no such type"),
            ({"type": "Document", "data": {}}, "data.code: required: it is part of the natural key"),
            ({"type": "Document", "key": {"name": "B"}}, "key: the natural key is code"),
            ({"type": "Document", "key": {"code": "B", "pages": 1}}, "key: the natural key is code"),
            (document("B") | {"data": {"code": "C"}}, "data.code: differs from the key"),
            (document("B", "SECRT"), "label: no such level; "),
            (document("B", "SECRET/DELTA"), OUT_OF_REACH),
            (document("B", "SECRET/CHARLIE"), OUT_OF_REACH),
            ({"type": "Document", "id": "B"}, "id: expected a UUID as 8-4-4-4-12 hexadecimal digits, got other text"),
            ({"type": "Note", "key": {"text": "B"}}, "key: this type has no natural key; give the id"),
            (link("A", "B"), "to: not found"),
            (link("A", "A") | {"from": {"id": str(UUID(int=5))}}, "from: not found"),
            (link("A", "A", "sites"), "link: no such relation"),
            (link("A", "A", properties={"page": "x"}), f"properties.page: {INTEGER}a string"),
            (link("A", "A", weight="x"), "weight: expected a number, got a string"),
            (link("A", "A", validFrom="2024"), "validFrom: expected a date and time with its offset, "),
            (link("A", "A", validFrom=LATE, validTo=EARLY), "validTo: validTo is before validFrom"),
            (link("A", "A", label="SECRET/CHARLIE"), OUT_OF_REACH),
            (link("A", "A") | {"from": {"type": "Folder", "key": {"code": "A"}}}, "from.type: no such type"),
            (link("A", "A") | {"from": {"type": "Document", "key": {"x": 1}}}, "from.key: the natural key is code"),
            (link("A", "A") | {"to": {"type": "Document", "key": {"code": 1}}}, "to.key.code: expected a string, "),
        ]  # fmt: skip
        bodies: list[Any] = [DOCUMENT, NOTE, document("A")]
        expected = []
        for i, (body, message) in enumerate(bad):
            bodies += [body, document(f"D{i}"), link(f"D{i}", "A")]
            expected.append((f"line {len(bodies) - 2}", message))
        summary = await ground.load(*bodies, label="TOP_SECRET/ALPHA")
        told = dict(problems(summary))
        assert told.keys() == dict(expected).keys()
        assert [where for where, message in expected if not told[where].startswith(message)] == []
        assert (summary.objects, summary.links) == (Tally(created=len(bad) + 1), Tally(created=len(bad)))

    async def test_problems_of_the_source_are_passed_on(self, ground: Ground) -> None:
        summary = await ground.load(DOCUMENT, Problem("line 7", "is not JSON"), document("A"))
        assert (problems(summary), summary.objects.created) == ([("line 7", "is not JSON")], 1)

    async def test_a_strict_run_ends_at_the_first_problem(self, ground: Ground) -> None:
        summary = await ground.load(
            DOCUMENT, document("A"), document("B", pages="x"), document("C", color=1), link("A", "A"), strict=True
        )
        assert (summary.stopped, [p.where for p in summary.problems]) == (True, ["line 3"])
        assert (await ground.versions(), await ground.links()) == ({}, [])

    async def test_only_the_first_problems_are_kept(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loader, "PROBLEMS_KEPT", 2)
        summary = await ground.load(DOCUMENT, *(document(f"D{i}", color=i) for i in range(5)))
        assert ([p.where for p in summary.problems], summary.problem_count) == (["line 2", "line 3"], 5)

    async def test_of_too_many_links_the_first_is_kept(self, ground: Ground) -> None:
        first = [link("A", "B", "replaces"), link("A", "C", "replaces"), link("B", "C")]
        message = "an object has one link replaces of this kind; unlink the other first"
        summary = await ground.load(DOCUMENT, *(document(code) for code in "ABC"), *first)
        assert problems(summary) == [("line 6", message)]
        again = await ground.load(link("A", "C", "replaces"), link("A", "A", "replaces"), link("C", "A", "replaces"))
        assert problems(again) == [("line 1", message), ("line 2", message)]
        assert [source + target for _, source, target, *_ in await ground.links()] == ["BC", "AB", "CA"]

    async def test_of_more_links_than_there_may_be_the_first_are_kept(self, ground: Ground) -> None:
        few = define(links={"cites": CITES | {"maxLinks": 2}})
        wanted = [link("A", code) for code in "BCDE"]
        message = "an object has at most 2 links cites of this kind; unlink another first"
        summary = await ground.load(few, *(document(code) for code in "ABCDE"), *wanted)
        assert problems(summary) == [("line 9", message), ("line 10", message)]
        assert problems(await ground.load(*wanted)) == [("line 3", message), ("line 4", message)]
        assert [source + target for _, source, target, *_ in await ground.links()] == ["AB", "AC"]

    async def test_a_record_that_the_database_cannot_take_is_found(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = Objects.write

        async def failing(self: Objects, subject: Any, organization: Any, changes: Any) -> Any:
            if any(change.data.get("title") == "poison" for change in changes):
                raise Internal("the database could not answer")
            return await write(self, subject, organization, changes)

        monkeypatch.setattr(Objects, "write", failing)
        bodies = [document(f"D{i}", title="poison" if i in (3, 8) else "food") for i in range(11)]
        summary = await ground.load(DOCUMENT, *bodies)
        assert [p.where for p in summary.problems] == ["line 5", "line 10"]
        assert summary.objects == Tally(created=9)

    async def test_a_database_that_is_gone_is_no_records_fault(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def failing(*_: Any) -> Any:
            raise Internal("the database could not answer")

        monkeypatch.setattr(Objects, "write", failing)
        monkeypatch.setattr(Database, "ask", failing)
        with pytest.raises(Internal):
            await ground.load(DOCUMENT, document("A"), document("B"))


class TestDefinitions:
    async def test_a_type_without_a_label_is_unclassified(self, ground: Ground) -> None:
        secret = define("Plan", label="SECRET/ALPHA", links={"of": {"relation": "of", "target": "Document"}})
        assert (await ground.load(secret, DOCUMENT)).types == ["Document", "Plan"]
        low = await ground.types.catalogue(ground.subject().session)
        assert list(low.types) == ["Document"]

    async def test_a_new_field_of_a_known_type_has_the_types_label(self, ground: Ground) -> None:
        await ground.load(DOCUMENT)
        fields = FIELDS | {"author": {"type": "string"}, "source": {"type": "string", "label": "SECRET"}}
        links = DOCUMENT["define"]["links"] | {"cited": {"relation": "cites", "target": "Document", "direction": "in"}}
        assert (await ground.load(define(fields=fields, links=links))).problems == []
        low = (await ground.types.catalogue(ground.subject().session)).types["Document"]
        assert set(low.fields) == {"code", "title", "pages", "author"}
        assert set(low.links) == {"cites", "replaces", "cited"}

    async def test_no_label_falls_by_being_left_out(self, ground: Ground) -> None:
        labelled = define(fields=FIELDS | {"source": {"type": "string", "label": "SECRET"}})
        await ground.load(labelled, NOTE)
        silent = define(fields=FIELDS | {"source": {"type": "string"}})
        summary = await ground.load(silent, {"define": NOTE["define"] | {"typeName": "Memo", "label": "SECRET"}})
        assert (summary.types, summary.problems) == (["Memo"], [])
        low = (await ground.types.catalogue(ground.subject().session)).types["Document"]
        assert "source" not in low.fields

    async def test_of_a_type_defined_twice_the_later_wins(self, ground: Ground) -> None:
        both = [define(fields=FIELDS | {name: {"type": "string"}}) for name in "xy"]
        await ground.load(*both)
        found = (await ground.types.catalogue(ground.subject().session)).types["Document"]
        assert set(found.fields) == {*FIELDS, "y"}

    @pytest.mark.parametrize(
        ("definition", "message"),
        [
            (define("Plan", fields=FIELDS | {"x": {"type": "strong"}}), "fields.x.type: a field's type is one of "),
            (define("Plan", links={"x": {"relation": "x", "target": "Nobody"}}), "links.x.target: no such type"),
            (define("Plan", extends="Nobody"), "extends: no such type"),
            (define("Plan", label="SECRET/DELTA"), "label: a label must be one that your session label dominates"),
            (define("Plan", embedding={"fields": ["z"]}), "embedding.fields.0: no such field"),
            (define("Query"), "typeName: "),
            ({"define": {"fields": {}}}, "typeName: a type's name is "),
        ],
    )
    async def test_a_refused_definition_ends_the_run_before_anything_is_written(
        self, ground: Ground, definition: dict[str, Any], message: str
    ) -> None:
        summary = await ground.load(NOTE, definition, {"type": "Note", "id": str(uuid4()), "data": {"text": "a"}})
        assert summary.stopped
        assert [p.where for p in summary.problems] == ["line 2"]
        assert summary.problems[0].message.startswith(message)
        assert await ground.events() == 0

    async def test_so_does_one_that_could_not_be_read(self, ground: Ground) -> None:
        run = Loader(ground.database, ground.types, ground.organization, ground.subject(TOP))
        summary = await run.load([Record("line 1", NOTE), Problem("line 2", "define: expected an object")], [], [])
        assert (summary.stopped, summary.problem_count, await ground.events()) == (True, 1, 0)

    async def test_what_is_stored_and_would_no_longer_fit_is_named(self, ground: Ground) -> None:
        await ground.load(DOCUMENT, document("A", pages=1))
        summary = await ground.load(define(fields={"code": FIELDS["code"], "pages": {"type": "boolean"}}))
        assert summary.stopped
        assert "Document: 1 objects hold a value of pages, which has another kind" in summary.problems[0].message


class TestLabels:
    async def test_what_a_version_becomes_does_not_depend_on_the_order(self, ground: Ground) -> None:
        versions = [
            document("D", "TOP_SECRET/ALPHA", title="spy"),
            document("D", title="boat", pages=1),
            document("D", "SECRET", pages=2),
        ]
        for order in itertools.permutations(versions):
            codes = "".join(str(versions.index(each)) for each in order)
            summary = await ground.load(DOCUMENT, *(each | {"key": {"code": codes}} for each in order))
            assert summary.objects == Tally(created=1, updated=2)
            found = {label: data for (code, label), data in (await ground.versions()).items() if code == codes}
            assert found == {
                "UNCLASSIFIED": {"title": "boat", "pages": 1},
                "SECRET": {"title": "boat", "pages": 2},
                "TOP_SECRET/ALPHA": {"title": "spy", "pages": 2},
            }

    async def test_a_link_without_a_label_has_the_join_of_its_ends(self, ground: Ground) -> None:
        await ground.load(
            DOCUMENT, document("U"), document("C", "CONFIDENTIAL"), document("A", "SECRET/ALPHA"),
            document("B", "CONFIDENTIAL/BRAVO"), document("U", "SECRET", title="cover"),
            link("U", "U"), link("U", "C"), link("A", "U"), link("A", "B"), link("C", "B"),
        )  # fmt: skip
        assert [(source, target, label) for _, source, target, label, _ in await ground.links()] == [
            ("A", "B", "SECRET/ALPHA,BRAVO"),
            ("A", "U", "SECRET/ALPHA"),
            ("C", "B", "CONFIDENTIAL/BRAVO"),
            ("U", "C", "CONFIDENTIAL"),
            ("U", "U", "UNCLASSIFIED"),
        ]

    async def test_a_link_with_a_label_has_that_or_what_its_ends_need_beyond_it(self, ground: Ground) -> None:
        await ground.load(
            DOCUMENT, document("U"), document("A", "SECRET/ALPHA"),
            link("U", "U", label="SECRET"), link("A", "U", label="SECRET/ALPHA"), link("A", "A", label="TOP_SECRET"),
        )  # fmt: skip
        assert [(source, target, label) for _, source, target, label, _ in await ground.links()] == [
            ("A", "A", "TOP_SECRET/ALPHA"),
            ("A", "U", "SECRET/ALPHA"),
            ("U", "U", "SECRET"),
        ]

    async def test_an_end_that_the_clearance_hides_is_an_end_that_does_not_exist(self, ground: Ground) -> None:
        await ground.load(DOCUMENT, document("A", "SECRET"), document("B"))
        summary = await ground.load(link("B", "A"), link("B", "Z"), label="CONFIDENTIAL")
        assert problems(summary) == [("line 1", "to: not found"), ("line 2", "to: not found")]

    async def test_a_higher_link_is_a_version_of_the_lower(self, ground: Ground) -> None:
        await ground.load(DOCUMENT, document("A"), link("A", "A", label="SECRET", weight=2), link("A", "A", weight=1))
        assert [label for *_, label, _ in await ground.links()] == ["SECRET", "UNCLASSIFIED"]

    async def test_ends_of_types_that_only_the_clearance_sees_are_found(self, ground: Ground) -> None:
        plan = define("Plan", label="SECRET", links={"covers": {"relation": "covers", "target": "Document"}})
        covers = {"link": "covers", "from": {"type": "Plan", "key": {"code": "P"}}, "to": end("A")}
        body = {"type": "Plan", "key": {"code": "P"}, "label": "SECRET"}
        summary = await ground.load(DOCUMENT, plan, document("A"), body, covers)
        assert summary.problems == []
        assert await ground.links() == [("covers", "P", "A", "SECRET", "")]

    async def test_the_lowest_version_is_found_among_any(self, ground: Ground) -> None:
        """Against the definition: the least in rank of what the clearance dominates, tombstones aside."""
        chance = random.Random(7)
        await ground.load(DOCUMENT)
        subject, lattice = ground.subject, ground.organization.lattice
        levels = ["UNCLASSIFIED", "CONFIDENTIAL", "SECRET", "TOP_SECRET"]
        names = [level + tail for level in levels for tail in ("", "/ALPHA", "/BRAVO", "/ALPHA,BRAVO", "/CHARLIE")]
        writing = Objects(ground.types)
        made: dict[UUID, set[int]] = {}
        for i in range(25):
            change = Change("create", "Document", {"code": f"D{i}"})
            labels = {subject(each).label for each in chance.sample(names, chance.randint(1, 5))}
            for label in chance.sample(sorted(labels), len(labels)):
                written, _ = await writing.write(subject(str(lattice.decode(label))), ground.organization, [change])
                made.setdefault(written[0].object_id, set()).add(label)
        for clearance, at in [(TOP, "UNCLASSIFIED"), (TOP, "SECRET"), ("SECRET/ALPHA,BRAVO", "UNCLASSIFIED")]:
            top, start = subject(clearance), subject(at).label
            expected = {}
            for id, labels in made.items():
                seen = [label for label in labels if dominates(top.label, label)]
                if any(dominates(start, label) for label in seen):
                    expected[id] = start
                elif seen:
                    expected[id] = min(seen, key=rank)
            assert await labels_of_ends(ground.database, top.session, start, [*made, uuid4()]) == expected

    async def test_below_a_tombstone_there_may_be_a_version(self, ground: Ground) -> None:
        await ground.load(DOCUMENT, document("A", "CONFIDENTIAL"))
        writing, at = Objects(ground.types), ground.subject
        key = {"code": "A"}
        written, _ = await writing.write(at("SECRET"), ground.organization, [Change("delete", "Document", key)])
        needed = await labels_of_ends(ground.database, at(TOP).session, BOTTOM, [written[0].object_id])
        assert needed == {written[0].object_id: at("CONFIDENTIAL").label}

    def test_the_compartments_that_labels_name_are_known_before(self) -> None:
        bodies = [
            define(label="SECRET/ALPHA", fields={"x": {"type": "string", "label": "SECRET/BRAVO"}}),
            define(links={"y": {"label": {"level": "SECRET", "compartments": ["CHARLIE"]}}}),
            document("A", "SECRET/DELTA,ALPHA"),
            link("A", "A", label="TOP_SECRET/ECHO"),
            document("B", "SECRET/not a label"),
            document("C"),
        ]
        records = [Record("", body) for body in bodies]
        assert needed_compartments([*records, Problem("", "")]) == ["ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO"]


LATTICE = Lattice(("ALPHA", "BRAVO"))
codes = st.builds(lambda level, bits: ((1 << level) - 1) << 60 | bits, st.integers(0, 3), st.integers(0, 3))


class TestBatches:
    @given(st.lists(codes), st.integers(1, 5), st.integers(100, 400))
    def test_batches_come_by_rank_and_in_order_and_nothing_is_lost(
        self, labels: list[int], size: int, held: int
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batches, "SIZE", size)
            patch.setattr(batches, "HELD", held)
            out: list[tuple[int, list[tuple[int, str]]]] = []
            with BatchesByLabel[tuple[int, str]]() as by_label:
                for number, label in enumerate(labels):
                    if ready := by_label.add(label, (number, "x" * 50)):
                        out.append((BOTTOM, ready))
                out += by_label.rest()
        assert [rank(label) for label, _ in out] == sorted(rank(label) for label, _ in out)
        assert all(0 < len(items) <= size for _, items in out)
        for label in set(labels):
            numbers = [number for at, items in out if at == label for number, _ in items]
            assert numbers == [number for number, each in enumerate(labels) if each == label]

    def test_a_batch_of_large_items_is_full_earlier(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batches, "WEIGHT", 1000)
        batch = Batch[str]()
        assert [batch.add("x" * 400) for _ in range(3)] == [False, False, True]

    def test_what_is_held_is_bounded_however_many_labels_there_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batches, "HELD", 10_000)
        most = 0
        with BatchesByLabel[str]() as by_label:
            for number in range(2000):
                assert by_label.add(number % 300 + 1, "x" * 80) == []
                most = max(most, by_label.held)
            assert sum(len(items) for _, items in by_label.rest()) == 2000
        assert 5_000 < most < 11_000

"""Loading import records into an organization: type definitions, then objects, then links (see docs/import-export.md).

Batches commit one by one, and each record is an upsert at exactly its label. So a run that ends half-way is completed
by the next one, and a run that finds everything there writes nothing, not even an event. Encrypted values are the
exception: whether one differs from what is stored nobody can tell, so they are written again.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar
from uuid import UUID

from fabric.database.db import Database
from fabric.errors import BadInput, FabricError, Forbidden, Several, VaultUnavailable
from fabric.identity.link_labels import labels_of_ends
from fabric.identity.organizations import Organization
from fabric.identity.subject import Session, Subject
from fabric.labels import Label, join
from fabric.transfer.batches import BOTTOM, Batch, BatchesByLabel
from fabric.transfer.changes import link_change, object_change, place
from fabric.transfer.records import Problem, Record
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.changes_planned import Plan
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links, WrittenLink
from fabric.writing.objects import Change, Objects, Written

PROBLEMS_KEPT = 1000

Source: TypeAlias = Iterable[Record | Problem]
Phase = Literal["definitions", "objects", "links"]
Progress = Callable[[Phase, int, int | None], None]
"""Called with how many records of a phase are done, and of how many if that is known."""

_Used = TypeVar("_Used")
_Written: TypeAlias = Sequence[Written] | Sequence[WrittenLink]
_Item: TypeAlias = tuple[str, Change | LinkChange]
"""A change, and where its record stands. The change's path is a number that tells it apart."""
_Unplaced: TypeAlias = tuple[int, str, LinkChange]
"""A link whose ends have not been looked at: the label it names, where its record stands, the change."""


@dataclass(slots=True)
class Tally:
    """Records by what they came to. A version above one that was there before counts as an update."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def count(self, written: _Written) -> None:
        for each in written:
            self.created += each.created
            self.updated += each.changed and not each.created
            self.unchanged += not each.changed


@dataclass(slots=True)
class Summary:
    """What a run has done so far."""

    types: list[str] = field(default_factory=list)
    """Names of the types that are new or changed."""
    objects: Tally = field(default_factory=Tally)
    links: Tally = field(default_factory=Tally)
    problems: list[Problem] = field(default_factory=list)
    """The first PROBLEMS_KEPT of them."""
    problem_count: int = 0
    stopped: bool = False
    """Whether it ended before its time: for refused definitions, or in strict mode for the first problem."""
    seconds: float = 0.0


class _Stopped(Exception):
    pass


class Loader:
    """One run. `summary` can be read at any time, also after a run that was broken off."""

    def __init__(
        self, database: Database, types: Types, organization: Organization, operator: Subject,
        *, strict: bool = False, progress: Progress | None = None,
    ) -> None:  # fmt: skip
        """`operator` has every permission that the records ask for; its clearance bounds what can be written.

        With `strict` the first problem ends the run; otherwise only what has one is left out.
        """
        self.summary = Summary()
        self._database, self._types, self._organization, self._operator = database, types, organization, operator
        self._strict, self._progress = strict, progress
        self._expected: Mapping[Phase, int] = {}
        self._done = 0
        self._writes: dict[Phase, Callable[..., Awaitable[tuple[_Written, Any]]]] = {
            "objects": Objects(types).write,
            "links": Links(types).write,
        }

    async def load(
        self, definitions: Source, objects: Source, links: Source, expected: Mapping[Phase, int] | None = None
    ) -> Summary:
        """Reads each source once, in this order, each when the one before it is stored. `expected` is for `progress`.

        Raises Forbidden for a permission that is missing, VaultUnavailable, and what the database raises when it
        cannot go on.
        """
        started = time.monotonic()
        self._expected = expected or {}
        try:
            await self._define(definitions)
            await self._load_objects(objects)
            await self._load_links(links)
        except _Stopped:
            self.summary.stopped = True
        finally:
            self.summary.seconds = time.monotonic() - started
        return self.summary

    async def plan(self, definitions: Source) -> Plan:
        """What the definitions would come to, as the run's clearance sees it; nothing is written.

        What `load` would refuse them for, but for what is stored, is told as problems of the summary.
        """
        try:
            defining = partial(self._types.plan, seen_at=self._operator.label)
            return await self._with_definitions(definitions, defining) or Plan((), ())
        except _Stopped:
            self.summary.stopped = True
            return Plan((), ())

    async def _define(self, source: Source) -> None:
        self.summary.types = await self._with_definitions(source, self._types.define) or []

    async def _with_definitions(self, source: Source, use: Callable[..., Awaitable[_Used]]) -> _Used | None:
        """All definitions or none; without them nothing else is tried. None if there are none."""
        by_name = {str(record.body["define"].get("typeName")): record for record in self._records(source)}
        if self.summary.problem_count:
            raise _Stopped
        if not by_name:
            return None
        documents = [record.body["define"] for record in by_name.values()]
        subject = self._operator.lowered(join(map(self._reach, documents)))
        known = (await self._types.catalogue(subject.session)).types
        named = zip(by_name, documents, strict=True)
        labelled = [explicitly_labelled(document, known.get(name)) for name, document in named]
        try:
            used = await use(subject, self._organization.lattice, labelled)
        except (Forbidden, VaultUnavailable):
            raise
        except FabricError as error:
            for fault in _faults(error):
                index, *path = fault.path or ("",)
                where = [*by_name.values()][index].where if isinstance(index, int) else "type definitions"
                self._report(where, [_message(path, fault)])
            raise _Stopped from error
        self._advance("definitions", len(documents))
        return used

    async def _load_objects(self, source: Source) -> None:
        with BatchesByLabel[_Item]() as batches:
            for number, record in enumerate(self._records(source)):
                try:
                    label = self._label(record.body)
                    change = object_change(record.body, await self._catalogue(label), number)
                except BadInput as fault:
                    self._report(record.where, [_message(fault.path, fault)])
                    continue
                if ready := batches.add(label, (record.where, change)):
                    await self._write("objects", BOTTOM, ready)
            await self._write_rest("objects", batches)

    async def _load_links(self, source: Source) -> None:
        self._done = 0
        unplaced = Batch[_Unplaced]()
        top = await self._catalogue(self._operator.clearance)
        with BatchesByLabel[_Item]() as batches:
            for number, record in enumerate(self._records(source)):
                try:
                    label = self._label(record.body)
                    change = link_change(record.body, await self._catalogue(label), top, self._organization, number)
                except BadInput as fault:
                    self._report(record.where, [_message(fault.path, fault)])
                    continue
                if unplaced.add((label, record.where, change)):
                    await self._place(unplaced.items, batches)
                    unplaced = Batch()
            await self._place(unplaced.items, batches)
            await self._write_rest("links", batches)

    async def _place(self, links: list[_Unplaced], batches: BatchesByLabel[_Item]) -> None:
        """Finds the label that each link is written at: its own, joined with what it takes to see its ends."""
        ends: dict[int, set[UUID]] = {}
        for label, _, change in links:
            ends.setdefault(label, set()).update(_ends(change))
        top = Session(self._organization.organization_id, self._operator.clearance)
        needed = {label: await labels_of_ends(self._database, top, label, ids) for label, ids in ends.items()}
        for label, where, change in links:
            at = join([label, *(needed[label].get(end, label) for end in _ends(change))])
            if ready := batches.add(at, (where, change)):
                await self._write("links", BOTTOM, ready)

    async def _write_rest(self, phase: Phase, batches: BatchesByLabel[_Item]) -> None:
        for label, items in batches.rest():
            await self._write(phase, label, items)

    async def _write(self, phase: Phase, label: int, items: list[_Item]) -> None:
        await self._write_good(phase, self._operator.lowered(label), items)
        self._done += len(items)
        self._advance(phase, self._done)

    async def _write_good(self, phase: Phase, subject: Subject, items: list[_Item]) -> None:
        """Writes what can be written. What is at fault is reported, and keeps none of its neighbours from it."""
        while items:
            try:
                written, _ = await self._writes[phase](subject, self._organization, [change for _, change in items])
            except FabricError as error:
                items = await self._after(error, phase, subject, items)
            else:
                (self.summary.objects if phase == "objects" else self.summary.links).count(written)
                break

    async def _after(self, error: FabricError, phase: Phase, subject: Subject, items: list[_Item]) -> list[_Item]:
        """What is still to be written of the items, none of which are."""
        faulty: dict[object, list[FabricError]] = {}
        for fault in _faults(error):
            if fault.path:
                faulty.setdefault(fault.path[0], []).append(fault)
        if not faulty:
            if isinstance(error, Forbidden | VaultUnavailable):  # no record's fault
                raise error
            await self._database.ask("select 1")  # a database that is gone is no record's fault
            if len(items) > 1:  # halves lead to the record at fault
                half = len(items) // 2
                await self._write_good(phase, subject, items[:half])
                return items[half:]
            faulty[items[0][1].path[0]] = [error]
        for where, change in items:
            if faults := faulty.get(change.path[0]):
                self._report(where, [_message(place(change, f.path[1:]), f) for f in faults])
        return [item for item in items if item[1].path[0] not in faulty]

    def _records(self, source: Source) -> Iterator[Record]:
        for each in source:
            if isinstance(each, Record):
                yield each
            else:
                self._report(each.where, [each.message])

    def _report(self, where: str, messages: Iterable[str]) -> None:
        self.summary.problem_count += 1
        if len(self.summary.problems) < PROBLEMS_KEPT:
            self.summary.problems.append(Problem(where, "; ".join(messages)))
        if self._strict:
            raise _Stopped

    def _advance(self, phase: Phase, done: int) -> None:
        if self._progress is not None:
            self._progress(phase, done, self._expected.get(phase))

    async def _catalogue(self, label: int) -> Catalogue:
        return await self._types.catalogue(Session(self._organization.organization_id, label))

    def _label(self, body: Mapping[str, Any]) -> int:
        """The label that a record or definition names, the bottom one if none. BadInput for one out of reach."""
        if body.get("label") is None:
            return BOTTOM
        try:
            return self._operator.lowered(self._organization.lattice.encode(Label.of(body["label"]))).label
        except ValueError as error:
            raise BadInput(str(error), ("label",)) from None
        except (LookupError, BadInput):
            raise BadInput("the label must be one that this run's clearance dominates", ("label",)) from None

    def _reach(self, document: Mapping[str, Any]) -> int:
        """The join of all that the document labels; labels out of reach are left for `define` to refuse."""
        found = []
        for labelled in _labelled_parts(document):
            with suppress(BadInput):
                found.append(self._label(labelled))
        return join(found)


def needed_compartments(source: Source) -> list[str]:
    """The compartments that the records' labels name, sorted: what an organization must have to take them all."""
    needed: set[str] = set()
    for record in source:
        if isinstance(record, Record):
            for part in _labelled_parts(record.body.get("define") or record.body):
                with suppress(ValueError):
                    needed |= Label.of(part["label"]).compartments if part.get("label") is not None else set()
    return sorted(needed)


def _labelled_parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The body, and of a definition its fields and links: whatever can have a label."""
    yield body
    for group in ("fields", "links"):
        members = body.get(group)
        if isinstance(members, Mapping):
            yield from (member for member in members.values() if isinstance(member, Mapping))


def explicitly_labelled(document: Mapping[str, Any], known: ObjectType | None) -> dict[str, Any]:
    """The document with the labels that a file means by none: a type is UNCLASSIFIED, what is new in it has its label.

    What is there already keeps the label it has: none falls by being left out.
    """
    label = document.get("label") if document.get("label") is not None else str(Label())
    explicit = {**document, "label": label}
    there = {
        "fields": {*known.own_fields, *known.narrowed_fields}, "links": {*known.own_links, *known.narrowed_links}
    } if known else {}
    for group, stored in there.items():
        members = document.get(group)
        if isinstance(members, Mapping):
            explicit[group] = {
                name: {"label": label, **member} if isinstance(member, Mapping) and name not in stored else member
                for name, member in members.items()
            }
    return explicit


def _ends(change: LinkChange) -> list[UUID]:
    return [end for end in (change.source_id, change.target_id) if end is not None]


def _faults(error: FabricError) -> Sequence[FabricError]:
    return error.errors if isinstance(error, Several) else (error,)


def _message(path: Sequence[str | int], fault: FabricError) -> str:
    return ": ".join(filter(None, [".".join(map(str, path)), fault.message]))

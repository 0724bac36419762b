"""`semantic-fabric import rdf`: ontologies and data, with a look at what they become before it is done."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import typer
from rich.console import Console
from rich.table import Table

from fabric import log
from fabric.identity.organizations import Directory, Organization
from fabric.labels import Label, Lattice
from fabric.outbound.fetching import Fetcher
from fabric.settings import Settings
from fabric.transfer.loader import PROBLEMS_KEPT, Summary
from fabric.transfer.records import Problem
from fabric.types.catalogue import Catalogue
from fabric.types.changes_planned import Change, Plan, Planned
from fabric.types.merging import EMPTY
from fabric.types.types import Types
from graphql_api.cli import options
from graphql_api.cli.console import printable, progress_bars
from graphql_api.cli.database import Place, opened, place_of
from graphql_api.cli.failures import refusing
from graphql_api.cli.loading import load, operator_of_all, planning
from graphql_api.cli.options import AdminDatabaseUrl, DatabaseUrl, DataDir, settings_of
from graphql_api.cli.organization import ensured
from graphql_api.cli.plans import show_plan
from graphql_api.cli.readiness import analyze, prepare
from graphql_api.cli.summaries import show
from ontology.input.graph import LANGUAGES
from ontology.input.reading import FORMATS, Read, reading
from ontology.input.remote import Remote
from ontology.source import RdfSource, compartments
from ontology.survey.terms import Notice

NOTICES_SHOWN = 20
_TOLD_EACH = 1_000
"""Records, of their progress."""

_Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="write notices, problems and planned changes as JSON lines", dir_okay=False, writable=True
    ),
]


@dataclass(frozen=True, slots=True)
class _Wanted:
    label: Label | None
    single: bool
    languages_apart: bool
    zone: ZoneInfo | None
    strict: bool
    dry_run: bool


@dataclass(slots=True)
class _Outcome:
    notices: Sequence[Notice]
    problems: Sequence[Problem]
    problem_count: int
    changes: Sequence[Planned] = ()


def _zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise typer.BadParameter("write the name of a time zone, such as UTC or Europe/Paris") from None


def rdf(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="RDF, plain or gzip", exists=True, dir_okay=False)
    ],
    organization: options.Organization,
    format: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help=f"{', '.join(FORMATS)}; by the names' endings if none", show_default=False),
    ] = None,
    base: Annotated[str | None, typer.Option(metavar="IRI", help="what relative IRIs start from")] = None,
    label: Annotated[
        Label | None,
        typer.Option(parser=options.label_of, metavar="LABEL", help="of objects and links that say none"),
    ] = None,
    single: Annotated[
        bool, typer.Option("--single", help="fields hold one value where the ontology does not say how many")
    ] = False,
    language: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="of descriptions, the first that there is, en if none; may be given again"),
    ] = None,
    merge_languages: Annotated[
        bool, typer.Option("--merge-languages", help="one field for values in all languages, which they lose")
    ] = False,
    timezone: Annotated[
        ZoneInfo | None,
        typer.Option(parser=_zone_of, metavar="ZONE", help="of times that tell no offset, such as UTC or Europe/Paris"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would become of it, and write nothing")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="end at the first problem")] = False,
    report: _Report = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Import ontologies (RDFS, OWL, SHACL, SKOS) and data in RDF.

    Classes become types, individuals objects. What has no counterpart is told of, with its IRI. The organization, and
    compartments that labels name, are made if they are not there.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)
    log.configure(settings.log_format, "warning")
    wanted = _Wanted(label, single, not merge_languages, timezone, strict, dry_run)
    graph = _read(settings, files, format, base, language or LANGUAGES)
    with refusing(OSError), graph as read, place_of(settings) as place:
        outcome = asyncio.run(_import(settings, place, organization, read, wanted))
    if report is not None:
        with refusing(OSError):
            report.write_bytes(b"".join(_lines(outcome)))
    if outcome.problem_count:
        raise typer.Exit(1)


@contextmanager
def _read(
    settings: Settings, files: Sequence[Path], format: str | None, base: str | None, languages: Sequence[str]
) -> Iterator[Read]:
    remote = Remote(Fetcher()) if settings.rdf_fetch else None
    with ExitStack() as stack:
        with progress_bars() as bars:
            task = bars.add_task("reading", total=None)

            def progress(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

            wanted = reading(files, format, base=base, progress=progress, languages=languages, remote=remote)
            read = stack.enter_context(wanted)
        yield read


async def _import(settings: Settings, place: Place, name: str, read: Read, wanted: _Wanted) -> _Outcome:
    await prepare(place)
    async with opened(settings, place) as database:
        needed = sorted({*compartments(read), *(wanted.label.compartments if wanted.label else ())})
        if wanted.dry_run:
            found = await Directory(database).find(name)
            before = await _catalogue(Types(database), found) if found else EMPTY
            held = tuple(found.lattice.compartments) if found else ()
            lattice = Lattice((*held, *(each for each in needed if each not in held)))
            source = _source(read, before, lattice, wanted)
            loader = planning(database, replace(found, lattice=lattice)) if found else None
            plan = await loader.plan(source.definitions()) if loader else _all_new(source)
            return _planned(source, before, plan, loader.summary.problems if loader else ())
        organization, news = await ensured(database, place, name, needed)
        source = _source(read, await _catalogue(Types(database), organization), organization.lattice, wanted)
        summary = await load(
            settings, database, organization, definitions=source.definitions(), objects=source.objects(),
            links=source.links(), strict=wanted.strict,
        )  # fmt: skip
    await analyze(place)
    return _done(source, summary, news)


async def _catalogue(types: Types, organization: Organization) -> Catalogue:
    return await types.catalogue(operator_of_all(organization).session)


def _source(read: Read, before: Catalogue, lattice: Lattice, wanted: _Wanted) -> RdfSource:
    with progress_bars() as bars:
        bars.add_task("looking at what it holds", total=None)
        return RdfSource(
            read, before, lattice, label=wanted.label, single=wanted.single, languages_apart=wanted.languages_apart,
            zone=wanted.zone,
        )  # fmt: skip


def _done(source: RdfSource, summary: Summary, news: str) -> _Outcome:
    show(summary, news)
    _show_notices(source.notices)
    return _Outcome(source.notices, summary.problems, summary.problem_count)


def _all_new(source: RdfSource) -> Plan:
    names = sorted(record.body["define"]["typeName"] for record in source.definitions())
    return Plan(tuple(Planned(name, None, Change.ADDED, 0) for name in names), ())


def _planned(source: RdfSource, before: Catalogue, plan: Plan, refused: Sequence[Problem]) -> _Outcome:
    """Shows what an import would do; objects and links that are there already are not compared."""
    documents = [record.body["define"] for record in source.definitions()]
    changed = [d for d in documents if source.catalogue.types.get(d["typeName"]) != before.types.get(d["typeName"])]
    console = Console(highlight=False, markup=False, soft_wrap=True)
    table = Table("type", box=None, pad_edge=False)
    for heading in ("fields", "links", "extends", "IRI"):
        table.add_column(heading, justify="right" if heading in ("fields", "links") else "left", no_wrap=True)
    for document in changed:
        table.add_row(*_row(document))
    console.print(table)
    of_fields = tuple(each for each in plan.changes if each.field is not None)
    if of_fields:
        show_plan(replace(plan, changes=of_fields))
    problems = [*refused, *(Problem("type definitions", obstacle) for obstacle in plan.obstacles)]
    counts, problem_count = _counted(source, problems)
    console.print(f"{len(changed):,} types new or changed, {counts['objects']:,} objects, {counts['links']:,} links")
    if problem_count:
        console.print(f"problems  {problem_count:,}")
    for problem in problems[:NOTICES_SHOWN]:
        console.print(printable(f"{problem.where}: {problem.message}"))
    _show_notices(source.notices)
    return _Outcome(source.notices, problems, problem_count, plan.changes)


def _counted(source: RdfSource, problems: list[Problem]) -> tuple[dict[str, int], int]:
    """How many objects and links there are, and problems with those before; the first PROBLEMS_KEPT are kept."""
    counts, problem_count = {"objects": 0, "links": 0}, len(problems)
    with progress_bars() as bars:
        task = bars.add_task("objects and links", total=None)
        for number, record in enumerate(source.all(), 1):
            if not isinstance(record, Problem):
                counts["links" if "link" in record.body else "objects"] += 1
            else:
                problem_count += 1
                if len(problems) < PROBLEMS_KEPT:
                    problems.append(record)
            if number % _TOLD_EACH == 0:
                bars.update(task, completed=number)
    return counts, problem_count


def _row(document: dict[str, Any]) -> list[str]:
    parents = document.get("extends") or []
    named = parents if isinstance(parents, str) else ", ".join(parents)
    counts = [str(len(document.get(group) or ())) for group in ("fields", "links")]
    return [document["typeName"], *counts, named, printable(document.get("iri") or "")]


def _show_notices(notices: Sequence[Notice]) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if notices:
        console.print(f"notices  {len(notices):,}")
    for notice in notices[:NOTICES_SHOWN]:
        console.print(printable(f"{notice.iri}: {notice.message}"))
    if len(notices) > NOTICES_SHOWN:
        console.print(f"and {len(notices) - NOTICES_SHOWN:,} more; --report writes them all")


def _lines(outcome: _Outcome) -> list[bytes]:
    told = [{"iri": notice.iri, "notice": notice.message} for notice in outcome.notices]
    told += [{"where": problem.where, "message": problem.message} for problem in outcome.problems]
    told += [_change(planned) for planned in outcome.changes]
    return [orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in told]


def _change(planned: Planned) -> dict[str, Any]:
    told = {"type": planned.type_name, "field": planned.field, "was": planned.was, "change": str(planned.change)}
    return {name: value for name, value in told.items() if value is not None} | {"objects": planned.objects}

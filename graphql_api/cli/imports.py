"""`semantic-fabric import`: files of objects and links, loaded with whatever permissions that takes."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer

from fabric import log
from fabric.labels import Label
from fabric.settings import Settings
from fabric.stix import StixBundle
from fabric.texts import Collection, StoredDocuments
from fabric.transfer.jsonl import JsonLines
from fabric.transfer.loader import Phase, Source, Summary, needed_compartments
from fabric.transfer.records import Problem
from fabric.types.types import Types
from graphql_api.cli.console import progress_bars
from graphql_api.cli.database import BOTTOM, Place, code_of, opened, operator, place_of
from graphql_api.cli.failures import refusing
from graphql_api.cli.loading import load
from graphql_api.cli.options import (
    AdminDatabaseUrl,
    DatabaseUrl,
    DataDir,
    Labelled,
    LabelOf,
    Organization,
    command_app,
    labelled,
    settings_of,
)
from graphql_api.cli.organization import ensured
from graphql_api.cli.rdf_import import rdf
from graphql_api.cli.readiness import analyze, prepare
from graphql_api.cli.summaries import show

app = command_app()

Strict = Annotated[bool, typer.Option("--strict", help="end at the first problem")]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE", help="write the problems as JSON lines", dir_okay=False, writable=True)
]


@dataclass(frozen=True, slots=True)
class Load:
    """What a file holds, read one after the other, with the number of records each may come to."""

    definitions: Source
    objects: Source
    links: Source
    expected: Mapping[Phase, int]
    compartments: Iterable[str]


@app.callback()
def imports() -> None:
    """Import objects and links from a file."""


@app.command()
def stix(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a bundle, plain or gzip", exists=True, dir_okay=False)],
    organization: Organization,
    label: Annotated[
        list[Labelled] | None,
        typer.Option(parser=labelled, metavar="TYPE=LABEL", help="the label of all objects of a type; repeatable"),
    ] = None,
    tlp: Annotated[
        list[Labelled] | None,
        typer.Option(parser=labelled, metavar="NAME=LABEL", help="what a TLP marking means; repeatable"),
    ] = None,
    strict: Strict = False,
    report: Report = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Import a STIX 2.0 or 2.1 bundle.

    The organization, and compartments that the labels name, are made if they are not there.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)

    def read(progress: Callable[[int, int], None]) -> Load:
        labels, markings = ({each.name: each.label for each in given or ()} for given in (label, tlp))
        bundle = StixBundle(file, labels=labels, tlp=markings, progress=progress)
        expected: dict[Phase, int] = {
            "objects": sum(bundle.counts.objects.values()),
            "links": sum(bundle.counts.links.values()),
        }
        named = {name for each in (*labels.values(), *markings.values()) for name in each.compartments}
        return Load(bundle.definitions(), bundle.objects(), bundle.links(), expected, sorted(named))

    _import(settings, organization, read, strict=strict, report=report)


@app.command()
def jsonl(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="plain or gzip; - reads standard input", allow_dash=True)
    ],
    organization: Organization,
    strict: Strict = False,
    report: Report = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Import JSON lines, such as `export jsonl` writes.

    The organization, and compartments that the labels name, are made if they are not there.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)

    def read(_: Callable[[int, int], None]) -> Load:
        lines = JsonLines(sys.stdin.buffer if str(file) == "-" else file)
        counts = lines.counts
        expected: dict[Phase, int] = {"objects": sum(counts.objects.values()), "links": sum(counts.links.values())}
        return Load(lines.definitions(), lines.objects(), lines.links(), expected, needed_compartments(lines))

    _import(settings, organization, read, strict=strict, report=report)


@app.command()
def documents(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH…", help="files, and folders with all below them", exists=True),
    ],
    organization: Organization,
    label: LabelOf = None,
    strict: Strict = False,
    report: Report = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Import files of text: txt, md, html, json, pdf and docx, as documents and their passages.

    Files that have not changed are passed over; of one that has, what differs is replaced. The organization, and
    compartments that the label names, are made if they are not there.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)
    log.configure(settings.log_format, "warning")
    with place_of(settings) as place:
        loading = _load_documents(settings, place, organization, paths, label or BOTTOM, strict=strict)
        summary, news = asyncio.run(loading)
    _conclude(summary, news, report)


async def _load_documents(
    settings: Settings, place: Place, name: str, paths: list[Path], label: Label, *, strict: bool
) -> tuple[Summary, str]:
    await prepare(place)
    async with opened(settings, place) as database:
        organization, news = await ensured(database, place, name, sorted(label.compartments))
        subject = operator(organization, code_of(organization, label))
        stored = await StoredDocuments(database, Types(database), subject, organization).all()
        with progress_bars() as bars:
            collection = Collection(paths, stored, str(label))
            files = bars.add_task("files", total=collection.count())
            collection.progress = lambda done: bars.update(files, completed=done)
            summary = await load(
                settings,
                database,
                organization,
                definitions=collection.definitions(),
                objects=collection.objects(),
                links=collection.links(),
                strict=strict,
            )
        # The load may have defined the types: what was known of them before is no use.
        loaded = StoredDocuments(database, Types(database), subject, organization)
        removed = 0 if summary.stopped else await loaded.complete(collection.loaded)
    await analyze(place)
    return summary, "\n".join(filter(None, [news, _told(collection, removed)]))


def _told(collection: Collection, removed: int) -> str:
    skipped = ", ".join(f"{number:,} {ending}" for ending, number in sorted(collection.skipped.items()))
    told = [
        f"{len(collection.loaded):,} files read, {collection.unchanged:,} not changed since they were imported",
        f"{removed:,} passages removed that changed files no longer have" if removed else "",
        f"left out, of no form that is read: {skipped}" if skipped else "",
    ]
    return "\n".join(filter(None, told))


app.command()(rdf)


def _import(
    settings: Settings,
    name: str,
    read: Callable[[Callable[[int, int], None]], Load],
    *,
    strict: bool,
    report: Path | None,
) -> None:
    log.configure(settings.log_format, "warning")
    with progress_bars() as bars, refusing(OSError):
        reading = bars.add_task("reading", total=None)
        what = read(lambda done, total: bars.update(reading, completed=done, total=total))
    with place_of(settings) as place:
        summary, news = asyncio.run(_load(settings, place, name, what, strict=strict))
    _conclude(summary, news, report)


def _conclude(summary: Summary, news: str, report: Path | None) -> None:
    """Shows what came of it, and ends with 1 if there were problems."""
    show(summary, news)
    if report is not None:
        with refusing(OSError):
            report.write_bytes(b"".join(map(_line, summary.problems)))
    if summary.problem_count:
        raise typer.Exit(1)


def _line(problem: Problem) -> bytes:
    return orjson.dumps({"where": problem.where, "message": problem.message}, option=orjson.OPT_APPEND_NEWLINE)


async def _load(settings: Settings, place: Place, name: str, what: Load, *, strict: bool) -> tuple[Summary, str]:
    await prepare(place)
    async with opened(settings, place) as database:
        organization, news = await ensured(database, place, name, what.compartments)
        summary = await load(
            settings,
            database,
            organization,
            definitions=what.definitions,
            objects=what.objects,
            links=what.links,
            expected=what.expected,
            strict=strict,
        )
    await analyze(place)
    return summary, news

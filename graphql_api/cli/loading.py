"""Loading records as the operator, with a bar for each phase."""

from collections.abc import Mapping

from fabric.database.db import Database
from fabric.encryption.encryption import encryption_by
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.labels import Label, Level
from fabric.settings import Settings
from fabric.transfer.loader import Loader, Phase, Source, Summary
from fabric.types.types import Types
from fabric.vaults.vaults import open_vault
from graphql_api.cli.console import progress_bars
from graphql_api.cli.database import operator


def operator_of_all(organization: Organization) -> Subject:
    """Whoever runs the command, at the highest label that there is."""
    top = Label(Level.TOP_SECRET, frozenset(organization.lattice.compartments))
    return operator(organization, organization.lattice.encode(top))


def planning(database: Database, organization: Organization) -> Loader:
    """To plan definitions only, for which no vault is needed."""
    return Loader(database, Types(database), organization, operator_of_all(organization))


async def load(
    settings: Settings,
    database: Database,
    organization: Organization,
    *,
    definitions: Source = (),
    objects: Source = (),
    links: Source = (),
    expected: Mapping[Phase, int] | None = None,
    strict: bool = False,
) -> Summary:
    """Loads at any label that the organization has. Raises what `Loader.load` raises."""
    with progress_bars() as bars:
        tasks = {phase: bars.add_task(phase, total=total) for phase, total in (expected or {}).items()}

        def progress(phase: Phase, done: int, _: int | None) -> None:
            if phase in tasks:
                bars.update(tasks[phase], completed=done)

        subject = operator_of_all(organization)
        vault = open_vault(settings)
        try:
            types = Types(database, encryption_by(settings, vault))
            loader = Loader(database, types, organization, subject, strict=strict, progress=progress)
            return await loader.load(definitions, objects, links, expected)
        finally:
            if vault is not None:
                await vault.close()

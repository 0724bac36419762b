"""The command `semantic-fabric` (see docs/commands.md).

Each command is a module of its own, imported when it is called for: what the server needs takes a second to import,
a token a fraction of that. So what `--help` says of each stands here.
"""

import os
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from graphql_api.cli.console import complain
from graphql_api.cli.failures import KNOWN, told

COMMANDS = {
    "serve": ("serve", "Serve GraphQL over HTTP."),
    "demo": ("demo", "Serve the built-in demo, with queries to try."),
    "migrate": ("migrate", "Bring the database to the revision that this version needs."),
    "organization": ("organization", "Make an organization, or add compartments to one."),
    "token": ("tokens", "Print a token for development."),
    "tokens": ("revocations", "Refuse tokens before they expire."),
    "define": ("define", "Define types from JSON files."),
    "import": ("imports", "Import objects and links from a file."),
    "export": ("exports", "Export what a clearance sees."),
    "config": ("config", "Show what an organization has chosen for itself, and change it."),
    "embed": ("embed", "Make the words and vectors that search needs, of all that lacks them."),
    "jobs": ("jobs", "List jobs, go on with one and follow it, cancel it."),
    "validate": ("validate", "Count the objects that are not as their definitions ask."),
    "documents": ("documents", "Register GraphQL documents, list and remove them."),
    "schema": ("schema", "Print the GraphQL schema that a clearance sees, or the part of it that is about some types."),
    "vault": ("vaults", "Make keys in the vault, and print the policies that it needs."),
    "verify": ("verify", "Verify that events and the audit log are as they were written."),
    "prune": ("prune", "Prune events and audit records that are older than the settings say, of all organizations."),
    "doctor": ("doctor", "Check the installation, and say how to mend what is wrong."),
    "version": ("version", "Print the version."),
}
"""By name: the module, and what the command does."""


class _Commands(TyperGroup):
    """Knows the commands without their modules; imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=what) for name, (_, what) in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in COMMANDS:
            self.commands[args[0]] = get_command(import_module(f"{__name__}.{COMMANDS[args[0]][0]}").app)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KNOWN as error:
            complain(told(error))
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.callback()
def semantic_fabric(context: typer.Context) -> None:
    """A GraphQL semantic data fabric: typed, labelled and linked data over PostgreSQL."""
    context.obj = os.environ


def main() -> None:
    app(prog_name="semantic-fabric")

"""`semantic-fabric version`"""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import typer

from graphql_api.cli.options import DatabaseUrl, DataDir, command_app

app = command_app()


@app.command()
def version(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Print the version."""
    try:
        typer.echo(installed("semantic-fabric"))
    except PackageNotFoundError:
        typer.echo("not installed: run from a checkout")

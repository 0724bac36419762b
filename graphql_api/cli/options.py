"""What options of several commands mean, and the settings they add up to."""

import re
import shlex
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from fabric.labels import Label
from fabric.settings import Settings, variable

_DECLARED = Settings.__dataclass_fields__
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def command_app() -> typer.Typer:
    """What a command's module calls `app`."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


def setting(name: str, metavar: str) -> Any:
    """The option of a setting's name, which wins over its variable."""
    return typer.Option(
        "--" + name.replace("_", "-"), metavar=metavar,
        help=f"{_DECLARED[name].metadata['help']} [{variable(name)}]", show_default=False,
    )  # fmt: skip


def label_of(text: str) -> Label:
    try:
        return Label.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _lifetime(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9]\d{0,4})([dhm])", text)
    if found is None:
        raise typer.BadParameter("write a number and d, h or m, such as 30d, 12h or 90m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@dataclass(frozen=True, slots=True)
class Labelled:
    """`NAME=LABEL`"""

    name: str
    label: Label


def labelled(text: str) -> Labelled:
    name, equals, label = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter("write NAME=LABEL, such as campaign=SECRET/ALPHA")
    return Labelled(name, label_of(label))


DataDir = Annotated[Path | None, setting("data_dir", "FOLDER")]
DatabaseUrl = Annotated[str | None, setting("database_url", "URL")]
AdminDatabaseUrl = Annotated[str | None, setting("admin_database_url", "URL")]
Host = Annotated[str | None, setting("host", "ADDRESS")]
Port = Annotated[int | None, setting("port", "NUMBER")]
Organization = Annotated[str, typer.Option("--organization", metavar="NAME", help="the organization")]
Clearance = Annotated[
    Label, typer.Option("--clearance", parser=label_of, metavar="LABEL", help="such as SECRET/ALPHA,BRAVO")
]
SomeClearance = Annotated[
    Label | None,
    typer.Option(
        "--clearance", parser=label_of, metavar="LABEL", help="such as SECRET/ALPHA,BRAVO; all labels if none"
    ),
]
LabelOf = Annotated[
    Label | None,
    typer.Option(
        "--label",
        parser=label_of,
        metavar="LABEL",
        help="the label of all that is written",
        show_default="UNCLASSIFIED",
    ),
]
Lifetime = Annotated[
    timedelta | None,
    typer.Option("--expires", parser=_lifetime, metavar="TIME", help="such as 30d, 12h or 90m", show_default="12h"),
]


def settings_of(context: typer.Context, **options: Any) -> Settings:
    """The settings of the environment, with the options that are given."""
    return Settings.load(context.obj, **options)


def organization_command(name: str, *compartments: str) -> str:
    """What to run to make them."""
    words = ["semantic-fabric", "organization", name]
    return f"`{shlex.join(words + [w for c in sorted(compartments) for w in ('--compartment', c)])}`"

"""What a change of definitions comes to, as a table: `--dry-run` of the commands that define types."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from fabric.types.changes_planned import Plan, Planned
from graphql_api.cli.console import printable

CHANGES_SHOWN = 100


def show_plan(plan: Plan) -> None:
    """On standard output; obstacles are the caller's to tell."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not plan.changes:
        console.print("no type or field changes")
        return
    console.print(_table(plan.changes[:CHANGES_SHOWN]))
    if (more := len(plan.changes) - CHANGES_SHOWN) > 0:
        console.print(f"and {more:,} more changes")


def _table(changes: Sequence[Planned]) -> Table:
    table = Table("type", "field", "change", box=None, pad_edge=False)
    table.add_column("objects", justify="right", no_wrap=True)
    for each in changes:
        was = f" (was {each.was})" if each.was else ""
        table.add_row(each.type_name, printable(f"{each.field or ''}{was}"), str(each.change), f"{each.objects:,}")
    return table

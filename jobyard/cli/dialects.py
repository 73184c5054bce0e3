"""Options that say how a table is written and which of its columns are meant, and how it was read."""

from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from jobyard.client import reading
from jobyard.client.columns import MAX_COLUMNS, column
from jobyard.client.errors import Json
from jobyard.client.lines import on_a_line

# A function that is a command, or is to become one.
Command = Callable[..., Any]


def _column_options(option: str, meaning: str) -> tuple[Callable[[Command], Command], ...]:
    """An option that names a column, and two that say whether digits are a name or a number."""
    return (
        click.option(option, metavar="NAME|NUMBER", help=meaning),
        click.option(f"{option}-name", metavar="NAME", help="Likewise, by name, even if that is a number."),
        click.option(
            f"{option}-number",
            type=click.IntRange(1, MAX_COLUMNS),
            help="Likewise, by number, even if another column has that name.",
        ),
    )


OPTIONS = (
    *_column_options("--column", "FILE's column of texts; default: text."),
    *_column_options("--group-by", "Also summarize the texts for each value of this column of FILE."),
    click.option(
        "--delimiter",
        metavar="CHARACTER",
        help="What separates FILE's fields, such as ';' or tab; none: whole lines are texts. "
        "Default: detected, like the next four.",
    ),
    click.option(
        "--quote",
        type=click.Choice(["auto", "double", "backslash", "none"]),
        help="Quotes inside quoted fields are doubled, or escaped; none: ordinary characters.",
    ),
    click.option(
        "--header",
        type=click.Choice(["auto", "yes", "no"]),
        help="Whether FILE's first line has the column names.",
    ),
    click.option(
        "--skip-lines",
        type=click.IntRange(0),
        metavar="COUNT",
        help="Lines before the header, or before the rows.",
    ),
    click.option(
        "--null-value",
        "null_values",
        multiple=True,
        metavar="WORD",
        help="A word that stands for a missing text, such as NULL; may be repeated. Default: \\N.",
    ),
)


def dialect_options(command: Command) -> Command:
    """Add them, above those that the command has already."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def fields_of(options: dict[str, Any]) -> dict[str, Any]:
    """These options, and others beside them, as fields of a spec; None where one was not given.

    Raises UsageError where a column is given more than once.
    """
    fields = dict(options)
    for key in ("column", "group_by"):
        name, number = fields.pop(f"{key}_name"), fields.pop(f"{key}_number")
        if len([given for given in (fields[key], name, number) if given is not None]) > 1:
            option = f"--{key.replace('_', '-')}"
            raise click.UsageError(f"should have one of {option}, {option}-name and {option}-number")
        fields[key] = None if fields[key] is None else column(fields[key])
        if name is not None:
            fields[key] = name
        if number is not None:
            fields[key] = {"number": number}
    return fields | {"null_values": list(fields["null_values"]) or None}


def show_read_as(console: Console, result: Json) -> None:
    """How the file was read, on a line, and warnings."""
    if found := reading.words(result.get("read_as") or {}):
        console.print(f"read as       {escape(on_a_line(found))}", soft_wrap=True)
    for warning in result.get("warnings") or []:
        console.print(f"[yellow]warning:[/] {escape(on_a_line(warning))}", soft_wrap=True)

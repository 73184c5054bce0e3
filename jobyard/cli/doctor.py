"""The command `doctor`: what is wrong with this installation, and what can be done."""

import logging

import click
from rich.markup import escape

from jobyard.cli import FAILED
from jobyard.cli.keeping import require_server
from jobyard.cli.session import json_option, output, print_json
from jobyard.client.lines import on_a_line

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Look at settings, versions, database, broker, storage and workers, and say what to do.

    On a machine and with the settings of the server. Status 1 if there is an error.
    """
    require_server("doctor")
    logging.disable(logging.WARNING)  # the findings say the same
    try:
        return _show(as_json)
    finally:
        logging.disable(logging.NOTSET)


def _show(as_json: bool) -> int:
    from jobyard.shared.doctor import examine

    console = output()
    levels = []
    shown = []
    for found in examine():
        levels.append(str(found.level))
        if as_json:
            shown.append(
                {
                    "topic": found.topic,
                    "level": str(found.level),
                    "text": found.text,
                    "remedy": found.remedy,
                }
            )
            continue
        level = f"[{COLOURS[found.level]}]{found.level:<7}[/]"
        console.print(f"{level}  {found.topic:<10}  {escape(on_a_line(found.text))}", soft_wrap=True)
        if found.remedy:
            console.print(f"{'':21}→ {escape(on_a_line(found.remedy))}", soft_wrap=True)
    errors, warnings = levels.count("error"), levels.count("warning")
    if as_json:
        print_json({"errors": errors, "warnings": warnings, "findings": shown})
    else:
        click.echo(f"{errors} errors, {warnings} warnings")
    return FAILED if errors else 0

"""The command audit: who changed what for others."""

import csv
import itertools
import json
import sys

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli.session import connect, local, output, print_json

COLUMNS = ("at", "actor", "action", "object", "details")


@click.command()
@click.option("--actor", help="Only what the token of this name did.")
@click.option(
    "--action", help="Only this action, as token.create, or all of a noun, as token. with its point."
)
@click.option(
    "--limit", type=click.IntRange(1), help="How many entries; default: 50, and all as JSON or CSV."
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each entry.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def audit(actor: str | None, action: str | None, limit: int | None, as_json: bool, as_csv: bool) -> None:
    """List who changed what for others, newest first."""
    most = limit or (None if as_json or as_csv else 50)
    with connect() as client:
        entries = itertools.islice(client.audit(actor=actor, action=action), most)
        if as_json:
            for entry in entries:
                print_json(entry)
            return
        if as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(COLUMNS)
            for entry in entries:
                details = json.dumps(entry["details"], ensure_ascii=False) if entry["details"] else ""
                writer.writerow([*(entry[name] for name in COLUMNS[:-1]), details])
            return
        table = Table("when", "token", "action", "object", "details")
        for entry in entries:
            details = ", ".join(f"{k}: {v}" for k, v in (entry["details"] or {}).items() if v is not None)
            names = (entry["actor"], entry["action"], entry["object"], details)
            table.add_row(local(entry["at"]), *map(escape, names))
        if table.row_count:
            output().print(table)
        else:
            click.echo("nothing yet")

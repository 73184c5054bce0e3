"""The command files: uploads, and until when they are kept."""

import itertools
from datetime import datetime

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli.many import confirm
from jobyard.cli.session import connect, output, print_json
from jobyard.client.errors import Json


@click.group(invoke_without_command=True)
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many files to list."
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each file.")
@click.pass_context
def files(context: click.Context, limit: int, as_json: bool) -> None:
    """List uploads, newest first, or delete them."""
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        found = itertools.islice(client.files(limit=min(limit, 200)), limit)
        if as_json:
            for file in found:
                print_json(file)
            return
        table = Table("id", "name", "bytes", "jobs", "kept until")
        for file in found:
            table.add_row(
                file["id"], escape(file["name"]), f"{file['bytes']:,}", f"{file['jobs']:,}", _kept(file)
            )
        if table.row_count:
            output().print(table)
        else:
            click.echo("no files")


@files.command()
@click.argument("file_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(file_ids: tuple[str, ...], yes: bool) -> None:
    """Delete uploads that no unfinished job needs, permanently."""
    ids = list(dict.fromkeys(file_ids))
    with connect() as client:
        if not yes:
            what = f"the file {ids[0]}" if len(ids) == 1 else f"these {len(ids)} files"
            confirm(f"Delete {what} permanently?")
        for file_id in ids:
            client.delete_file(file_id)
            click.echo(f"file {file_id} was deleted")


def _kept(file: Json) -> str:
    if file["kept_until"] is None:
        return str(file["kept_because"])
    return datetime.fromisoformat(file["kept_until"]).astimezone().strftime("%Y-%m-%d")

"""The command files: uploads, and until when they are kept."""

from collections.abc import Iterator
from datetime import datetime

import click
from rich.markup import escape

from jobyard.cli.many import confirm
from jobyard.cli.session import connect, print_list
from jobyard.client.errors import Json

COLUMNS = ("id", "name", "bytes", "jobs", "kept until")


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
        found = client.files(limit=limit)
        print_list(found, _row, *COLUMNS, as_json=as_json, nothing="no files")


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


def _row(file: Json) -> Iterator[str]:
    yield file["id"]
    yield escape(file["name"])
    yield f"{file['bytes']:,}"
    yield f"{file['jobs']:,}"
    yield _kept(file)


def _kept(file: Json) -> str:
    if file["kept_until"] is None:
        return str(file["kept_because"])
    return datetime.fromisoformat(file["kept_until"]).astimezone().strftime("%Y-%m-%d")

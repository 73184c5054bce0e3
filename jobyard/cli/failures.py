"""The command failures: what failed alike within a day, what is tried again, and retrying it."""

import click
from rich.markup import escape
from rich.table import Column, Table

from jobyard.cli import WRONG
from jobyard.cli.session import connect, json_option, output, print_json
from jobyard.cli.times import since
from jobyard.client import BadRequest, NotFound
from jobyard.client.errors import Json
from jobyard.client.lines import on_a_line

WHY_NOT = "what they name was deleted, or the quota of their token is reached"


@click.group(invoke_without_command=True)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one line of JSON for each group, also of what is tried again.",
)
@click.pass_context
def failures(context: click.Context, as_json: bool) -> None:
    """List what failed alike within a day and what is tried again, or retry it.

    Jobs are grouped by kind, type of error and message; numbers and ids in messages may differ. Those
    that are tried again have not failed yet: their worker was lost, a disk was full, or the storage was away.
    """
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        found, again = client.failures(), client.setbacks()
    if as_json:
        for groups, is_tried_again in ((found, False), (again, True)):
            for group in groups:
                print_json({**group, "is_tried_again": is_tried_again})
        return
    _show_again(again)
    if not found:
        click.echo("no failures within a day")
        return
    # A key and an id are what other commands take: they are never cut.
    key, newest = Column("key", no_wrap=True), Column("newest job", min_width=36, no_wrap=True)
    table = Table(key, "jobs", "kind", "why", "since", "last", newest)
    for group in found:
        table.add_row(
            group["key"],
            f"{group['jobs']:,}",
            escape(group["kind"]),
            escape(on_a_line(f"{group['error_type']}: {group['message']}")),
            f"{since(group['first_at'])} ago",
            f"{since(group['last_at'])} ago",
            group["newest"],
        )
    output().print(table)
    click.echo("`jobyard failures retry KEY` runs all of a group again")


@failures.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@json_option
def retry(keys: tuple[str, ...], as_json: bool) -> int:
    """Run all jobs again that failed alike, from the start.

    KEY is that of a group, as `jobyard failures` lists it.
    """
    status = 0
    with connect() as client:
        for key in (wanted := dict.fromkeys(keys)):
            try:
                done = client.retry_failures(key)
            except (BadRequest, NotFound) as error:
                if len(wanted) == 1:
                    raise
                click.echo(f"jobyard: {error}", err=True)
                status = WRONG
                continue
            if as_json:
                print_json({"key": key, **done})
                continue
            retried = done["retried"]
            refused = f"; {done['refused']:,} not: {WHY_NOT}" if done["refused"] else ""
            click.echo(f"{key}: {retried:,} job{'' if retried == 1 else 's'} queued again{refused}")
    return status


def _show_again(again: list[Json]) -> None:
    """What is tried again, by reason."""
    if not again:
        return
    table = Table(
        "jobs",
        "queue",
        "kind",
        "tried again because",
        "last",
        Column("newest job", min_width=36, no_wrap=True),
    )
    for group in again:
        table.add_row(
            f"{group['jobs']:,}",
            group["queue"],
            escape(group["kind"]),
            escape(on_a_line(group["message"])),
            f"{since(group['last_at'])} ago",
            group["newest"],
        )
    output().print(table)

"""The command queues: what waits and runs, and pausing and limiting it."""

from collections.abc import Iterator

import click
from rich.markup import escape

from jobyard.cli.session import connect, json_option, print_json, print_list
from jobyard.cli.times import lasted
from jobyard.client.errors import Json
from jobyard.client.lines import on_a_line

COLUMNS = (
    *("queue", "queued", "oldest wait", "running", "limit", "workers"),
    *("last hour", "last day", "most queued", "state"),
)
# Of each queue so many owners are shown.
MOST_OWNERS = 3


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each queue.")
@click.pass_context
def queues(context: click.Context, as_json: bool) -> None:
    """List, pause, resume or limit queues."""
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        print_list(client.queues(), _row, *COLUMNS, as_json=as_json, nothing="no queues")


@queues.command()
@click.argument("name")
@click.option("--reason", help="Is shown to those whose jobs wait.")
@json_option
def pause(name: str, reason: str | None, as_json: bool) -> None:
    """Start no more jobs of the queue NAME; those that run end normally."""
    with connect() as client:
        _show(client.pause_queue(name, reason), as_json)


@queues.command()
@click.argument("name")
@json_option
def resume(name: str, as_json: bool) -> None:
    """Start jobs of the queue NAME again."""
    with connect() as client:
        _show(client.resume_queue(name), as_json)


@queues.command()
@click.argument("name")
@click.argument("limit", metavar="NUMBER|none")
@json_option
def limit(name: str, limit: str, as_json: bool) -> None:
    """Let at most NUMBER jobs of the queue NAME run at once; none: no limit."""
    if limit != "none" and not (limit.isascii() and limit.isdecimal()):
        raise click.UsageError(f"{limit}: should be a whole number, or none")
    with connect() as client:
        _show(client.limit_queue(name, None if limit == "none" else int(limit)), as_json)


def _row(queue: Json) -> Iterator[str]:
    yield queue["name"]
    yield f"{'' if queue['depth_is_exact'] else '≈ '}{queue['depth']:,}"
    yield lasted(queue["oldest_waiting_seconds"])
    yield f"{queue['running']:,}"
    yield "–" if queue["limit"] is None else f"{queue['limit']:,}"
    yield str(len(queue["workers"]))
    yield _ended(queue["last_hour"])
    yield _ended(queue["last_day"])
    yield escape("\n".join(f"{one['name']} {one['queued']:,}" for one in queue["owners"][:MOST_OWNERS]))
    yield escape(_state(queue))


def _ended(outcomes: Json) -> str:
    rate = outcomes["failure_rate"]
    ended = outcomes["succeeded"] + outcomes["failed"] + outcomes["cancelled"]
    return f"{ended:,}" + ("" if rate is None else f", {rate:.1%} failed")


def _state(queue: Json) -> str:
    if queue["paused_at"]:
        by = f" by {queue['paused_by']}" if queue["paused_by"] else ""
        why = f": {queue['pause_reason']}" if queue["pause_reason"] else ""
        return on_a_line(f"paused{by}{why}")
    if queue["blocked_by"]:
        return on_a_line(f"nothing starts: {queue['blocked_by']}")
    if queue["workers"]:
        return ""
    return "all its workers are draining" if queue["draining"] else "no running worker"


def _show(queue: Json, as_json: bool) -> None:
    if as_json:
        print_json(queue)
        return
    limit = "" if queue["limit"] is None else f", at most {queue['limit']:,} jobs at once"
    jobs = f"{queue['depth']:,} queued, {queue['running']:,} running"
    click.echo(f"queue {queue['name']}: {_state(queue) or 'open'}{limit}; {jobs}")

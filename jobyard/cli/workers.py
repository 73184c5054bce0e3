"""The command workers: what they do, and draining them."""

from collections.abc import Callable, Iterator

import click
from rich.markup import escape

from jobyard.cli.session import connect, json_option, print_json, print_list
from jobyard.cli.times import since
from jobyard.client import Client
from jobyard.client.errors import Json
from jobyard.client.lines import on_a_line

COLUMNS = ("worker", "queue", "version", "running for", "free disk", "jobs", "state")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each worker.")
@click.pass_context
def workers(context: click.Context, as_json: bool) -> None:
    """List workers, or drain one or all of a host.

    A draining worker finishes the jobs that it runs and claims no more, also after a restart.
    """
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        print_list(client.workers(), _row, *COLUMNS, as_json=as_json, nothing="no workers")


@workers.command()
@click.argument("name", required=False)
@click.option("--host", help="Drain all workers of this host.")
@json_option
def drain(name: str | None, host: str | None, as_json: bool) -> None:
    """Let the worker NAME, or all of a host, finish their jobs and claim no more."""
    _change(name, host, as_json, Client.drain_worker)


@workers.command()
@click.argument("name", required=False)
@click.option("--host", help="All workers of this host.")
@json_option
def undrain(name: str | None, host: str | None, as_json: bool) -> None:
    """Let the worker NAME, or all of a host, claim jobs again."""
    _change(name, host, as_json, Client.undrain_worker)


def _row(worker: Json) -> Iterator[str]:
    yield escape(worker["name"])
    yield worker["queue"]
    yield worker["version"] or ""
    yield since(worker["started_at"]) if worker["is_running"] else "–"
    yield "–" if worker["free_bytes"] is None else _size(worker["free_bytes"])
    yield escape("\n".join(_job(job) for job in worker["jobs"]))
    yield escape(_state(worker))


def _change(name: str | None, host: str | None, as_json: bool, change: Callable[[Client, str], Json]) -> None:
    if (name is None) == (host is None):
        raise click.UsageError("give the name of a worker, or --host")
    with connect() as client:
        names = [name] if name else [one["name"] for one in client.workers() if one["host"] == host]
        if not names:
            raise click.ClickException(f"no worker is running on {host}; `jobyard workers` lists them")
        for one in names:
            worker = change(client, one)
            if as_json:
                print_json(worker)
            else:
                running = f", {len(worker['jobs'])} running" if worker["jobs"] else ""
                click.echo(f"worker {worker['name']}: {_state(worker) or 'claims jobs'}{running}")


def _state(worker: Json) -> str:
    words = [] if worker["is_running"] else ["not running"]
    if worker["draining_since"]:
        by = f" by {worker['drained_by']}" if worker["drained_by"] else ""
        words.append(on_a_line(f"{'draining' if worker['jobs'] else 'drained'}{by}"))
    if worker["is_of_another_version"]:
        words.append("not of the server's version: restart it")
    if worker["is_running"] and (worker["free_bytes"] or 0) < (worker["min_free_bytes"] or 0):
        words.append(f"disk full: {_size(worker['min_free_bytes'])} should be free")
    return ", ".join(words)


def _job(job: Json) -> str:
    progress = job["progress"]
    share = f" {progress['done'] / progress['total']:.0%}" if progress and progress["total"] else ""
    return on_a_line(f"{job['kind']} {job['id']}{share}")


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"

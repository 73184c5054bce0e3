"""The command tokens: who may use the server, and for what."""

import re

import click
from rich.markup import escape

from jobyard.cli.session import connect, json_option, local, print_json, print_list
from jobyard.client.errors import Json

SCOPES = ("read", "submit", "admin")
COLUMNS = ("name", "scope", "created", "by", "last used", "at most", "expires")
UNITS = {"m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def _seconds(_context: click.Context, _option: click.Parameter, written: str | None) -> int | None:
    """A number and a unit, as 30d, in seconds."""
    if written is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", written)
    if found is None:
        raise click.BadParameter(f"should be like 12h, 30d or 8w, but is {written!r}")
    return int(found[1]) * UNITS[found[2]]


def _quotas(token: Json) -> str:
    found = ((token.get(f"max_{state}"), state) for state in ("queued", "running"))
    return ", ".join(f"{most:,} {state}" for most, state in found if most is not None)


@click.group(invoke_without_command=True)
@click.option("--revoked", is_flag=True, help="List those that were revoked, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each token.")
@click.pass_context
def tokens(context: click.Context, revoked: bool, as_json: bool) -> None:
    """List, create or revoke named tokens.

    The scope read looks at everything, submit also submits and controls jobs, and admin does all. The
    server's own token, admin, is not listed: it is in JOBYARD_TOKEN, or in the file token of JOBYARD_HOME.
    """
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        columns = [*COLUMNS, *(["revoked"] if revoked else [])]
        found = client.tokens(revoked=revoked)
        print_list(
            found,
            lambda token: _row(token)[: len(columns)],
            *columns,
            as_json=as_json,
            nothing="no named tokens",
        )


def _row(token: Json) -> list[str]:
    return [
        escape(token["name"]),
        token["scope"],
        local(token["created_at"]),
        escape(token["created_by"]),
        local(token["last_used_at"], "never"),
        _quotas(token),
        local(token["expires_at"], "never"),
        local(token["revoked_at"], "never"),
    ]


@tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    required=True,
    help="read looks at everything, submit also submits and controls jobs, admin does all.",
)
@click.option(
    "--expires",
    callback=_seconds,
    help="How long it is valid, as 12h, 30d or 8w; default: until it is revoked.",
)
@click.option("--max-queued", type=click.IntRange(1), help="How many of its jobs may be queued at once.")
@click.option(
    "--max-running", type=click.IntRange(1), help="How many of its jobs run at once; others stay queued."
)
@json_option
def create(
    name: str,
    scope: str,
    expires: int | None,
    max_queued: int | None,
    max_running: int | None,
    as_json: bool,
) -> None:
    """Create a token and print it: it is shown this once."""
    with connect() as client:
        made = client.create_token(
            name, scope, expires_seconds=expires, max_queued=max_queued, max_running=max_running
        )
    if as_json:
        print_json(made)
        return
    until = f"expires {local(made['expires_at'])}" if made["expires_at"] else "does not expire"
    click.echo(f"the token {name} has the scope {scope} and {until}; it is not shown again:", err=True)
    click.echo(made["secret"])


@tokens.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke a token: it and the logins that were made with it end."""
    with connect() as client:
        client.revoke_token(name)
    click.echo(f"{name} was revoked")

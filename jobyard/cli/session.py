"""What the client commands have in common: the server they talk to, and how they end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console

from jobyard.cli import FAILED
from jobyard.cli.settings import ClientSettings, ConfigError
from jobyard.client import Client, ConnectionFailed, Job, JobFailed, JobyardClientError, Refused

WIDE = 160


@contextmanager
def connect() -> Iterator[Client]:
    """The server of the settings; what goes wrong with it becomes one line."""
    settings = ClientSettings.load()
    token = settings.find_token()
    if token is None:
        raise ConfigError(
            f"JOBYARD_TOKEN: no token is set, and there is none in {settings.home / 'token'}; "
            "start a server with `jobyard up`, or set JOBYARD_URL and JOBYARD_TOKEN for a remote one"
        )
    url = settings.find_url()
    try:
        with Client(url, token) as client:
            yield client
    except ConnectionFailed as error:
        raise click.ClickException(
            f"{error}; is `jobyard up` running? (JOBYARD_URL sets another address)"
        ) from None
    except Refused as error:
        raise click.ClickException(f"{url} refused the token: {error}; set JOBYARD_TOKEN") from None
    except JobyardClientError as error:
        raise click.ClickException(str(error)) from None


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json` for programs."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one line of JSON to standard output at the end."
    )(command)


def priority_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--priority` of a job."""
    return click.option("--priority", type=click.IntRange(0, 9), help="9 runs first, 0 last; default: 5.")(
        command
    )


def print_json(value: object) -> None:
    """One line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def on_a_line(text: str) -> str:
    """What a file or a result holds must not move the cursor of a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def output() -> Console:
    """Standard output for people; where it is no terminal, wide enough not to cut anything useful."""
    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, width=WIDE)


def outcome(job: Job) -> int:
    """The exit status for an ended job; prints on standard error why it failed."""
    if job.succeeded:
        return 0
    click.echo(f"jobyard: {JobFailed(job)}", err=True)
    if job.state == "failed":
        click.echo(f"         `jobyard logs {job.id}` shows its timeline", err=True)
    return FAILED

"""Commands that serve: up, demo, url.

`up` and `demo` need the server's packages. A client alone does not have them, so they are loaded in the
commands, which say what to install where they are missing.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from jobyard.client.errors import ConfigError
from jobyard.client.settings import ClientSettings

# One package of each extra that a server on one machine is made of.
NEEDED = ("sqlalchemy", "flask", "nltk", "tensorflow", "flower", "honcho")


@click.command()
@click.option(
    "--adopt",
    is_flag=True,
    help="Give the storage to this database, after a restore or if it belonged to another.",
)
def up(adopt: bool) -> int:
    """Start everything on this machine: Redis, web, workers, sweeper and Flower."""
    with _server_installed("up"):
        from jobyard.shared.config import Settings
        from jobyard.up.stack import up as run

        return run(Settings.load(), adopt=adopt)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Your own pictures: a folder with one folder per class; default: generated pictures.",
)
@click.option("--keep", is_flag=True, help="Keep the server running at the end.")
def demo(data: Path | None, keep: bool) -> int:
    """Run a demo of everything: import, train, predict and score, on its own server in ./.demo."""
    with _server_installed("demo"):
        from jobyard.demo import run as show

        return show(data, keep)


@click.command()
def url() -> None:
    """Print the dashboard's address, with the login token."""
    try:
        settings = ClientSettings.load()
        token, address = settings.find_token(), settings.find_url()
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if token is None:
        raise click.ClickException(
            f"JOBYARD_HOME: there is no token in {settings.home}; `jobyard up` creates one"
        )
    click.echo(f"{address}/login?token={token}")


@contextmanager
def _server_installed(command: str) -> Iterator[None]:
    """Inside, the server's packages are there, and its errors are the command line's: one line each.

    Raises ClickException with what to install.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"`jobyard {command}` needs the server, and {missing[0]} is not installed: "
            'pip install "jobyard[server]"'
        )
    from jobyard.shared.errors import JobyardError

    try:
        yield
    except JobyardError as error:
        raise click.ClickException(error.message) from None

"""Commands that serve: up, demo, url."""

from pathlib import Path

import click

from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError


@click.command()
def up() -> int:
    """Start everything on this machine: Redis, web, workers, sweeper and Flower."""
    from jobyard.up.stack import up as run

    return run(Settings.load())


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Your own pictures: a folder with one folder per class; default: drawn ones.",
)
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
def demo(data: Path | None, keep: bool) -> int:
    """Show everything once: import, train, predict and score on a server of its own in ./.demo."""
    from jobyard.demo import run as show

    return show(data, keep)


@click.command()
def url() -> None:
    """Print the dashboard's address, with the login token."""
    settings = Settings.load()
    token = settings.find_token()
    if token is None:
        raise ConfigError(f"JOBYARD_HOME: there is no token in {settings.home}; `jobyard up` makes one")
    click.echo(f"{settings.find_url()}/login?token={token}")

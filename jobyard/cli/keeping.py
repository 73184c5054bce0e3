"""Commands that keep what the server has: backup, restore, move. They need the server's packages."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli.session import json_option, print_json

if TYPE_CHECKING:
    from jobyard.shared.config import Settings

# What the server's settings and database are made of.
NEEDED = ("sqlalchemy", "alembic", "pydantic_settings", "fsspec")
Folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("folder", metavar="DIR", type=Folder)
@click.option(
    "--storage/--no-storage",
    "with_storage",
    default=None,
    help="Copy the files, too, or only name where they are; default: copy them if they lie in a folder.",
)
@json_option
def backup(folder: Path, with_storage: bool | None, as_json: bool) -> None:
    """Copy database and files into the new folder DIR, while the server runs.

    DIR holds what the database holds, and the token: keep it where nobody else can read it.
    """
    with server_settings("backup") as settings:
        from jobyard.shared.backups import back_up

        manifest = back_up(settings, folder.absolute(), with_storage=with_storage)
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    copy, files = manifest.database, manifest.storage
    click.echo(f"database  {copy.rows:,} rows in {len(copy.tables)} tables, revision {copy.revision}")
    if files.included:
        click.echo(f"storage   {files.files:,} files, {files.bytes:,} bytes")
    else:
        click.echo(
            f"storage   not copied: {files.keys:,} files are in {files.place}; copy it after the database"
        )
    if files.missing_count:
        some = ", ".join(files.missing[:3])
        click.echo(
            f"          {files.missing_count:,} files were missing before the backup: {some}", err=True
        )
    click.echo(f"The backup is in {folder}; `jobyard restore {folder}` restores it into an empty HOME.")


@click.command()
@click.argument("folder", metavar="DIR", type=Folder)
@click.option(
    "--no-storage",
    is_flag=True,
    help="Restore the database alone: its storage is still there, or was restored otherwise.",
)
@json_option
def restore(folder: Path, no_storage: bool, as_json: bool) -> None:
    """Restore a backup into an empty HOME, or an empty database and storage.

    The checksums of all files are verified, and an older database is migrated. Nothing is restored over what
    is there.
    """
    with server_settings("restore") as settings, _alone(settings):
        from jobyard.shared.backups import restore as run

        done = run(settings, folder.absolute(), with_storage=False if no_storage else None)
    manifest = done.manifest
    if as_json:
        print_json({"revision": done.revision, "files": done.files, "rows": manifest.database.rows})
        return
    click.echo(f"database  {manifest.database.rows:,} rows, of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC")
    click.echo(f"storage   {done.files:,} files copied")
    click.echo("Restored. Start the server: jobs that were running then are run again.")


@click.command()
@click.option(
    "--to", "target", metavar="URL", required=True, help="The new database: postgresql://… or sqlite:////…"
)
@json_option
def move(target: str, as_json: bool) -> None:
    """Move all rows to another, empty database, while the server is stopped.

    From SQLite to PostgreSQL or back. The storage stays where it is, and the old database as it was.
    """
    with server_settings("move") as settings, _alone(settings):
        from jobyard.shared.backups import move as run
        from jobyard.shared.backups import named_to
        from jobyard.shared.config import Settings

        with named_to():
            to = Settings.load(database_url=target)
        moved = run(settings, to)
        hidden = shown(to.database)
    if as_json:
        print_json({"rows": moved.rows, "to": hidden})
        return
    for name, rows in moved.rows.items():
        if rows:
            click.echo(f"{rows:>12,}  {name}")
    if moved.storage_problem:
        click.echo(f"the storage was not told yet, the next start does it: {moved.storage_problem}", err=True)
    click.echo(
        f"Moved and compared. Set JOBYARD_DATABASE_URL to {hidden} (with its password) for all processes, "
        "and start them. The old database is as it was: don't use it again, and delete it once you have a "
        "backup of the new one."
    )


@contextmanager
def server_settings(command: str) -> "Iterator[Settings]":
    """The server's settings; its errors are the command line's: one line each.

    Raises ClickException with what to install where the server is not.
    """
    require_server(command)
    import sqlalchemy as sa

    from jobyard.shared.config import Settings
    from jobyard.shared.errors import JobyardError
    from jobyard.shared.home import protect

    try:
        settings = Settings.load()
        protect(settings.home)
        yield settings
    except JobyardError as error:
        raise click.ClickException(error.message) from None
    except OSError as error:
        place = f"{error.filename} can't be used: " if error.filename else ""
        raise click.ClickException(f"{place}{error.strerror or error}") from None
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        where = "" if command == "move" else "JOBYARD_DATABASE_URL: "  # of two databases
        raise click.ClickException(f"{where}can't use the database: {reason}") from None


def require_server(command: str) -> None:
    """Raises ClickException with what to install where the server is not."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"`jobyard {command}` needs the server, and {missing[0]} is not installed: "
            'pip install "jobyard[server]"'
        )


@contextmanager
def _alone(settings: "Settings") -> Iterator[None]:
    """No `jobyard up` runs on this HOME, or starts meanwhile."""
    from jobyard.up.checks import make_home, sole_user

    make_home(settings.home)
    with sole_user(settings.home):
        yield


def shown(url: str) -> str:
    """A database's address without its password."""
    import sqlalchemy as sa

    made: Any = sa.make_url(url)
    return str(made.set(drivername=made.get_backend_name()).render_as_string(hide_password=True))

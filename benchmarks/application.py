"""The web application within the process of a benchmark, on a database of its own."""

from flask.testing import FlaskClient

from benchmarks.machine import Machine
from jobyard.shared.config import Settings
from jobyard.web.app import create_app

DIALECTS = ("sqlite", "postgresql")
TOKEN = "token-of-the-benchmark"  # noqa: S105 - it opens nothing


def database_url(machine: Machine, dialect: str, name: str) -> str:
    """The address of a migrated database without rows."""
    url = f"sqlite:///{machine.folder / name}.db"
    if dialect == "postgresql":
        url = machine.new_database(name).replace("postgresql://", "postgresql+psycopg://")
    return machine.migrate(url)


def settings(machine: Machine, dialect: str, name: str) -> Settings:
    """With a database without rows and an empty broker."""
    return Settings(
        home=machine.folder / dialect / name,
        token=TOKEN,
        database_url=database_url(machine, dialect, name),
        broker_url=machine.new_broker(),
        log_level="WARNING",
    )


def client(given: Settings) -> FlaskClient:
    """Requests with the token, each answered in the caller's thread."""
    made = create_app(given).test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return made

"""What the tests with a real database and a real broker share."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from tests.conftest import RedisProcess, logged_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from tests.buckets import Faulty


@pytest.fixture
def client(make_app: "Callable[..., Flask]", database_url: str) -> "FlaskClient":
    """Sends the token to an app without a broker, on SQLite and on PostgreSQL."""
    return logged_in(make_app(database_url=database_url))


@pytest.fixture
def broker(redis_server: RedisProcess) -> Iterator[Broker]:
    """The broker of this test's own Redis."""
    made = Broker(Settings(broker_url=redis_server.url))
    yield made
    made.app.pool.force_close_all()


@pytest.fixture(scope="module")
def _object_store() -> "Iterator[Faulty]":
    from tests.buckets import faulty

    with pytest.MonkeyPatch.context() as monkeypatch, faulty(monkeypatch) as made:
        yield made


@pytest.fixture
def object_store(_object_store: "Faulty") -> "Faulty":
    """A store with one bucket that can be made to fail."""
    _object_store.fail(None)
    return _object_store

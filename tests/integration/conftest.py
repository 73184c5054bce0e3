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

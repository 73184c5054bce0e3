"""What the tests with a real database and a real broker share."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.conftest import logged_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient


@pytest.fixture
def client(make_app: "Callable[..., Flask]", database_url: str) -> "FlaskClient":
    """Sends the token to an app without a broker, on SQLite and on PostgreSQL."""
    return logged_in(make_app(database_url=database_url))

"""What the tests of the server share."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobyard.web.backend import Backend
from tests.integration.web.world import World, browser


@pytest.fixture
def backend(app: Flask) -> Backend:
    """The app's database, storage and broker."""
    found: Backend = app.extensions["jobyard"]
    return found


@pytest.fixture
def world(backend: Backend) -> World:
    """Jobs of all kinds in all states."""
    return World(backend)


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    """A browser that is logged in."""
    return browser(app)

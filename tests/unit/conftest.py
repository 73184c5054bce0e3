"""What tests/unit may not do: start Redis or PostgreSQL, or load TensorFlow. Such tests are integration's.

`make test-unit` stays quick only if no test forgets it, so here it is a failure.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where nothing but unit tests was collected, TensorFlow can only come from them."""
    alone = all(item.path.is_relative_to(FOLDER) for item in session.items)
    if session.items and alone and "tensorflow" in sys.modules:
        raise pytest.UsageError("a module of tests/unit imports TensorFlow: move it to tests/integration")


@pytest.fixture(autouse=True)
def _no_tensorflow() -> Iterator[None]:
    loaded = "tensorflow" in sys.modules
    yield
    assert loaded or "tensorflow" not in sys.modules, "loads TensorFlow: move it to tests/integration"


@pytest.fixture(scope="session")
def postgres() -> None:
    pytest.fail("tests/unit starts no PostgreSQL: move this test to tests/integration")


@pytest.fixture(scope="session")
def stack() -> None:
    pytest.fail("tests/unit starts no `jobyard up`: move this test to tests/acceptance")


@pytest.fixture
def redis_server() -> None:
    pytest.fail("tests/unit starts no Redis: move this test to tests/integration")

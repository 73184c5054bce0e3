"""The pages in a real browser, without the rest of Jobyard."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from tests.browsers import launched
from tests.conftest import TOKEN, served


@pytest.fixture
def open_gate(app: Flask) -> Iterator[threading.Event]:
    """While it is clear, the server takes requests and answers none, as one that was stopped does."""
    gate = threading.Event()
    gate.set()
    answer: Any = app.wsgi_app

    def wait_and_answer(environ: Any, start_response: Callable[..., Any]) -> Any:
        gate.wait()
        return answer(environ, start_response)

    app.wsgi_app = wait_and_answer  # type: ignore[method-assign]
    yield gate
    gate.set()


@pytest.fixture
def site(app: Flask, open_gate: threading.Event) -> Iterator[str]:
    """The app behind a real socket."""
    with served(app) as address:
        yield address
        open_gate.set()


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(site: str, chromium: Browser) -> Page:
    """Logged in, and without motion: what is half transparent for a moment is no fault."""
    opened = chromium.new_page(reduced_motion="reduce", timezone_id="Europe/Berlin")
    opened.set_default_timeout(60_000)
    opened.goto(f"{site}/login?token={TOKEN}")
    return opened

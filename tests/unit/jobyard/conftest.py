"""A server that answers the client and the command line without a network."""

import functools
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

Answers = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Answers], None]:
    """Let a function answer each request of a client, which has a home, a token and a working folder here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("JOBYARD_TOKEN", "a-token-of-the-test")

    def use(answers: Answers) -> None:
        replaced = functools.partial(httpx.Client, transport=httpx.MockTransport(answers))
        monkeypatch.setattr("jobyard.client._sync.transport.httpx.Client", replaced)

    return use

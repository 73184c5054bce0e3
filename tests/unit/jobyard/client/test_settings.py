"""The client's settings: what it reads, it reads as the server does."""

from pathlib import Path

import pytest

from jobyard.client import ConfigError
from jobyard.client.settings import ClientSettings
from jobyard.shared import errors
from jobyard.shared.config import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"JOBYARD_HOME": "relative"},
        {"JOBYARD_HOME": "~/elsewhere"},
        {"JOBYARD_HOME": "", "JOBYARD_PORT": "", "JOBYARD_HOST": "", "JOBYARD_URL": "", "JOBYARD_TOKEN": ""},
        {"JOBYARD_PORT": "0", "JOBYARD_HOST": "::1"},
        {"JOBYARD_PORT": " +8_000.0 "},
        {"JOBYARD_PORT": "65535"},
        {"JOBYARD_URL": "https://elsewhere.example/"},
        {"JOBYARD_TOKEN": "a-token-of-the-test"},
        {"jobyard_token": "a-token-of-the-test", "Jobyard_Port": "1"},
    ],
)
def test_it_reads_what_the_server_reads(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server, client = Settings.load(), ClientSettings.load()
    assert (client.home, client.url, client.host, client.port) == (
        server.home,
        server.url,
        server.host,
        server.port,
    )
    assert client.token == (server.token and server.token.get_secret_value())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOME", "~nobody-of-this-name/jobyard"),
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("PORT", " "),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("TOKEN", "sesame-open"),
    ],
)
def test_a_wrong_value_is_the_line_that_the_server_has_for_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"JOBYARD_{name}", value)
    with pytest.raises(errors.ConfigError) as server:
        Settings.load()
    with pytest.raises(ConfigError) as client:
        ClientSettings.load()
    assert str(client.value) == server.value.message


def test_the_token_is_the_one_that_the_server_made(home: Path) -> None:
    assert ClientSettings.load().find_token() is None
    token = Settings.load().secret_token()
    assert ClientSettings.load().find_token() == token


def test_an_empty_token_file_holds_no_token(home: Path) -> None:
    home.mkdir()
    (home / "token").write_text("\n")
    assert ClientSettings.load().find_token() is None


def test_the_token_of_the_environment_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Settings.load().secret_token()
    monkeypatch.setenv("JOBYARD_TOKEN", "another-token-0123456789")
    assert ClientSettings.load().find_token() == "another-token-0123456789"


def test_the_client_finds_the_server_of_this_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ClientSettings.load().find_url() == "http://127.0.0.1:8642"
    home.mkdir()
    (home / "url").write_text("http://127.0.0.1:4711\n")
    assert ClientSettings.load().find_url() == "http://127.0.0.1:4711"
    monkeypatch.setenv("JOBYARD_URL", "https://elsewhere.example/")
    assert ClientSettings.load().find_url() == "https://elsewhere.example"


def test_a_free_port_is_no_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_PORT", "0")
    with pytest.raises(ConfigError, match=r"^JOBYARD_HOME: no server runs in .*: start `jobyard up`"):
        ClientSettings.load().find_url()

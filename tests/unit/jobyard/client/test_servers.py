"""Which server a client talks to: arguments, profiles, the environment and HOME, in their order."""

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from jobyard.cli import run
from jobyard.client import AsyncClient, Client, ConfigError, JobyardClientError, servers
from jobyard.client.profiles import Profiles
from tests.unit.jobyard.conftest import Answers

TOKEN = "a-token-that-nobody-may-see"
CONFIG = f"""
default = "lab"

[profiles.lab]
url = "https://lab.example/"
token = "{TOKEN}"

[profiles.other]
url = "http://other.example:8642"
token = "{TOKEN}-of-the-other"
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("JOBYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    here = tmp_path / ".jobyard"
    here.mkdir()
    (here / "token").write_text("the-token-of-this-machine\n")
    (here / "url").write_text("http://127.0.0.1:4711\n")


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "config" / "jobyard" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def found(*arguments: str | None) -> tuple[str, str]:
    server = servers.find(*arguments)
    return server.url, server.token


def test_each_place_gives_way_to_the_one_before(
    config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found() == ("http://127.0.0.1:4711", "the-token-of-this-machine")
    config(CONFIG)
    assert found() == ("https://lab.example", TOKEN)
    monkeypatch.setenv("JOBYARD_TOKEN", "a-token-of-the-environment")
    assert found() == ("http://127.0.0.1:4711", "a-token-of-the-environment")
    monkeypatch.setenv("JOBYARD_URL", "http://there.example")
    assert found() == ("http://there.example", "a-token-of-the-environment")
    monkeypatch.setenv("JOBYARD_PROFILE", "other")
    assert found() == ("http://other.example:8642", f"{TOKEN}-of-the-other")
    assert found(None, None, "lab") == ("https://lab.example", TOKEN)
    assert found(None, "given", "lab") == ("https://lab.example", "given")
    assert found("http://given.example", "given") == ("http://given.example", "given")


def test_what_is_no_address_is_said_before_a_token_is_asked_for(
    config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config("")
    why = "url: 'lab.example:80' is not the address of a server: should be like http://127.0.0.1:8642"
    for client in (Client, AsyncClient):
        with pytest.raises(JobyardClientError) as refused:
            client("lab.example:80")
        assert str(refused.value) == why
    monkeypatch.setenv("JOBYARD_URL", "lab.example:80")
    monkeypatch.setenv("JOBYARD_TOKEN", TOKEN)
    assert run(["jobs"]) == 2
    assert capsys.readouterr().err == f"jobyard: {why}; JOBYARD_URL sets it\n"


def test_a_token_is_never_sent_to_another_server_than_its_own(
    config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config(CONFIG + '[profiles.bare]\nurl = "http://bare.example"\n')
    assert found("http://localhost:9") == ("http://localhost:9", "the-token-of-this-machine")
    with pytest.raises(
        ConfigError, match="token: none is given for this server; give it, or set JOBYARD_TOKEN"
    ):
        found("http://elsewhere.example")
    with pytest.raises(ConfigError, match=r"profiles\.bare\.token in .*config\.toml: none is given"):
        found(None, None, "bare")
    monkeypatch.setenv("JOBYARD_TOKEN", "a-token-of-the-environment")
    assert found("http://elsewhere.example")[1] == "a-token-of-the-environment"
    assert found(None, None, "bare")[1] == "a-token-of-the-environment"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[profiles.lab", "is no TOML: "),
        ("default = 5", "default: should be the name of a profile"),
        (
            CONFIG.replace("profiles.other", "profile.other"),
            "profile: there is no such name; did you mean 'pro",
        ),
        (CONFIG.replace('"lab"', '"lbb"'), "default: there is no profile 'lbb'; did you mean 'lab'?"),
        (CONFIG.replace("token", "tokn"), "profiles.lab.tokn: there is no such name; did you mean 'token'?"),
        (
            CONFIG.replace("url", "# url"),
            'profiles.lab.url: is missing; should be like "http://127.0.0.1:8642"',
        ),
        ("profiles = 1", "profiles: should be tables, as [profiles.lab]"),
        ("[profiles]\nlab = 1", "profiles.lab: should be a table, as [profiles.lab]"),
        ("[profiles.lab]\nurl = 5", 'profiles.lab.url: should be a text, as url = "…"'),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_without_a_token(
    config: Callable[[str], Path], text: str, said: str
) -> None:
    path = config(text)
    with pytest.raises(ConfigError) as wrong:
        Client()
    message = str(wrong.value)
    assert message.startswith(str(path))
    assert said in message
    assert TOKEN not in message
    assert "\n" not in message


def test_a_file_that_is_no_text_or_that_others_read_is_refused(config: Callable[..., Path]) -> None:
    path = config(CONFIG, 0o640)
    with pytest.raises(
        ConfigError, match=rf"others can read it \(mode 0640\), and it holds a token: chmod 600 {path}"
    ):
        Client()
    config('default = "lab"\n[profiles.lab]\nurl = "http://127.0.0.1:1"\n', 0o644)
    assert found() == ("http://127.0.0.1:1", "the-token-of-this-machine")
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        Client()


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_profile_that_there_is_not_is_said(
    client: Callable[..., object], config: Callable[[str], Path]
) -> None:
    with pytest.raises(
        ConfigError, match=r"'labs' in .*config\.toml; add \[profiles\.labs\] with url and token"
    ):
        client(profile="labs")
    config(CONFIG)
    with pytest.raises(ConfigError, match=r"profile: there is no 'labs' in .*; did you mean 'lab'\?"):
        client(profile="labs")
    with pytest.raises(ConfigError, match=r"should be one of 'lab' and 'other'"):
        client(profile="x")
    with pytest.raises(ConfigError, match="profile: should be a name, but is an int"):
        client(profile=5)
    with pytest.raises(ConfigError, match="profile: is given beside url; give one of them"):
        client("http://127.0.0.1:9", profile="lab")


def test_nothing_shows_a_token(config: Callable[[str], Path]) -> None:
    config(CONFIG)
    with Client() as client:
        shown = [repr(client), repr(client._transport), repr(servers.find()), repr(Profiles.load())]
    assert not [text for text in shown if TOKEN in text]
    with pytest.raises(JobyardClientError) as refused:
        Client("http://127.0.0.1:9", TOKEN + "\n")
    assert TOKEN not in str(refused.value)


def test_the_command_line_talks_to_the_server_that_is_named(
    config: Callable[[str], Path], answer_with: Callable[[Answers], None], capsys: pytest.CaptureFixture[str]
) -> None:
    config(CONFIG)
    asked: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.host, request.headers["Authorization"]))
        return httpx.Response(200 if len(asked) < 3 else 401, json={"items": [], "next": None})

    answer_with(answer)
    assert run(["-s", "lab", "queues", "--json"]) == 0
    assert run(["--server", "other", "queues", "--json"]) == 0
    assert asked == [("lab.example", f"Bearer {TOKEN}"), ("other.example", f"Bearer {TOKEN}-of-the-other")]
    assert run(["-s", "lab", "queues"]) == run(["-s", "labs", "queues"]) == 2
    refused, unknown = capsys.readouterr().err.splitlines()
    assert refused.startswith("jobyard: https://lab.example refused the token: ")
    assert refused.endswith("; that of profile 'lab'")
    assert "did you mean 'lab'?" in unknown

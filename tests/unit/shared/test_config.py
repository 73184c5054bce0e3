"""Settings: defaults that work on one machine; a wrong value is one line that names its variable."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import ConfigError
from jobyard.shared.home import MAX_SOCKET_PATH
from jobyard.shared.migrate import upgrade
from jobyard.web.backend import Backend


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_every_setting_has_a_default_that_works_on_one_machine(home: Path) -> None:
    settings = Settings.load()
    assert settings.database == f"sqlite:///{home}/jobyard.db"
    assert settings.broker == f"redis+socket://{home}/redis.sock"
    assert settings.storage == f"file://{home}/storage"
    assert settings.embedded_redis
    assert (settings.host, settings.port, settings.flower_port) == ("127.0.0.1", 8642, 5555)
    assert settings.heartbeat_seconds * 3 <= settings.lease_seconds
    assert not home.exists()  # reading settings makes nothing


def test_home_is_in_the_users_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Settings.load().home == Path("/home/somebody/.jobyard")


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBYARD_HOME", "here")
    assert Settings.load().home == tmp_path / "here"


@pytest.mark.parametrize(
    ("given", "folders"),
    [
        (None, ()),
        ("", ()),
        ("/pictures", (Path("/pictures"),)),
        ("/pictures:/more/:", (Path("/pictures"), Path("/more"))),
        ("~/pictures", (Path("/home/somebody/pictures"),)),
    ],
)
def test_no_folder_may_be_imported_unless_one_is_named(
    monkeypatch: pytest.MonkeyPatch, given: str | None, folders: tuple[Path, ...]
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    if given is not None:
        monkeypatch.setenv("JOBYARD_IMPORT_ROOTS", given)
    assert Settings.load().import_roots == folders


@pytest.mark.parametrize(
    ("given", "train", "other"),
    [
        ("", 1_800, 1_800),
        ("60", 60, 60),
        ("train=7200", 7_200, 1_800),
        ("60, train=0", None, 60),
        ("train=0.5,0", 0.5, None),
    ],
)
def test_the_limit_of_a_kind_is_its_own_or_that_of_all_or_what_it_declares(
    monkeypatch: pytest.MonkeyPatch, given: str, train: float | None, other: float | None
) -> None:
    monkeypatch.setenv("JOBYARD_STALL_SECONDS", given)
    settings = Settings.load()
    assert settings.stall_seconds_of("train", 1_800) == train
    assert settings.stall_seconds_of("predict", 1_800) == other


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_reached_through_psycopg_3(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("JOBYARD_DATABASE_URL", f"{scheme}://u:p@host/db")
    assert Settings.load().database == "postgresql+psycopg://u:p@host/db"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "http", "integer"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("PORT", "-1", "greater than or equal to 0"),
        ("FLOWER_PORT", "70000", "less than or equal to 65535"),
        ("DATABASE_URL", "mysql://u@host/db", "should start with postgresql:// or sqlite:///"),
        ("DATABASE_URL", "/var/jobyard.db", "should start with postgresql:// or sqlite:///"),
        ("BROKER_URL", "localhost:6379", "should start with redis://"),
        ("LEASE_SECONDS", "0", "greater than 0"),
        ("LEASE_SECONDS", "nan", "should be"),
        ("LEASE_SECONDS", "3601", "less than or equal to 3600"),
        ("LEASE_SECONDS", "half a minute", "number"),
        ("HEARTBEAT_SECONDS", "0", "greater than 0"),
        ("HEARTBEAT_SECONDS", "11", "at most a third of JOBYARD_LEASE_SECONDS (30), but is 11"),
        ("HEARTBEAT_SECONDS", "inf", "at most a third"),
        ("STALL_SECONDS", "half an hour", "should be seconds for all kinds, or KIND=SECONDS"),
        ("STALL_SECONDS", "train=-1", "should be seconds for all kinds, or KIND=SECONDS"),
        ("STALL_SECONDS", "60,train", "should be seconds for all kinds, or KIND=SECONDS"),
        ("STALL_ACTION", "kill", "'report', 'restart' or 'fail'"),
        ("MAX_ATTEMPTS", "0", "greater than or equal to 1"),
        ("MAX_ATTEMPTS", "1.5", "integer"),
        ("MAX_UPLOAD_BYTES", "2G", "integer"),
        ("MAX_UPLOAD_BYTES", "0", "greater than or equal to 1"),
        ("IMPORT_ROOTS", "pictures", "should be absolute paths of folders, separated by ':'"),
        ("IMPORT_ROOTS", "/pictures:more", "should be absolute paths of folders"),
        ("IMPORT_ROOTS", "~nobody-of-that-name/pictures", "the user after ~ has no home folder"),
        ("LOG_LEVEL", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("TOKEN", "short", "at least 16 characters"),
        ("HOME", "~nobody-of-that-name/jobyard", "home"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, home: Path, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"JOBYARD_{name}", value)
    with pytest.raises(ConfigError) as caught:
        Settings.load()
    message = caught.value.message
    assert message.startswith(f"JOBYARD_{name}: ")
    assert words in message
    assert "\n" not in message
    assert "pydantic" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN", "sesame-open"),
        ("DATABASE_URL", "mysql://jobyard:sesame-open@host/db"),
        ("BROKER_URL", "http://:sesame-open@host"),
    ],
)
def test_a_wrong_value_with_a_secret_in_it_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"JOBYARD_{name}", value)
    with pytest.raises(ConfigError, match=f"JOBYARD_{name}: should") as caught:
        Settings.load()
    assert "sesame-open" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://u:sesame-open@host:port/db"),
        ("STORAGE_URL", "nosuch://key:sesame-open@bucket"),
    ],
)
def test_an_address_that_can_not_work_stops_the_server_at_its_start(
    monkeypatch: pytest.MonkeyPatch, home: Path, name: str, value: str
) -> None:
    monkeypatch.setenv(f"JOBYARD_{name}", value)
    with pytest.raises(ConfigError, match=f"^JOBYARD_{name}: ") as caught:
        Backend.build(Settings.load())
    assert "\n" not in caught.value.message
    assert "sesame-open" not in caught.value.message


def test_the_token_is_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_TOKEN", "sesame-open-0123456789")
    settings = Settings.load()
    assert settings.secret_token() == "sesame-open-0123456789"
    assert "sesame" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_wrong_setting_ends_a_process_with_2_and_one_line(home: Path) -> None:
    for command in (
        ["-m", "jobyard.workers", "cpu"],
        ["-m", "jobyard.workers", "sweeper"],
        ["-m", "jobyard.shared.migrate"],
    ):
        environment = os.environ | {"JOBYARD_PORT": "http"}
        process = subprocess.run(
            [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
        )
        assert process.returncode == 2
        assert process.stderr.startswith("jobyard: JOBYARD_PORT: ")
        assert process.stderr.count("\n") == 1


# ---- the token's file


def test_the_token_is_made_at_the_first_start_and_kept_for_its_owner_alone(home: Path) -> None:
    settings = Settings.load()
    token = settings.secret_token()
    assert len(token) >= 32
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert Settings.load().secret_token() == token
    assert [path.name for path in home.iterdir()] == ["token"]


def test_the_token_of_the_environment_wins_and_makes_no_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Settings.load().secret_token()
    monkeypatch.setenv("JOBYARD_TOKEN", "another-token-0123456789")
    assert Settings.load().secret_token() == "another-token-0123456789"
    assert (home / "token").read_text().strip() != "another-token-0123456789"


def test_processes_that_start_at_once_make_one_token(home: Path) -> None:
    code = "from jobyard.shared.config import Settings; print(Settings.load().secret_token())"
    environment = dict(os.environ)
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    tokens = {process.communicate(timeout=180)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 6
    assert tokens == {(home / "token").read_text()}
    assert [path.name for path in home.iterdir()] == ["token"]


def test_a_home_that_can_not_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ConfigError, match=r"^JOBYARD_HOME: can't write the token to [^\n]+$"):
        Settings.load().secret_token()


def test_an_empty_token_file_is_not_a_token_that_anybody_has(home: Path) -> None:
    home.mkdir()
    (home / "token").write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        Settings.load().secret_token()


# ---- where things lie


def test_a_home_too_deep_for_a_socket_has_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * MAX_SOCKET_PATH)
    sockets = {Settings(home=deep / name).redis_socket for name in ("a", "b", "a")}
    assert len(sockets) == 2  # one for each home, always the same
    for socket in sockets:
        assert len(os.fsencode(socket)) <= MAX_SOCKET_PATH
        assert str(os.getuid()) in socket.parent.name
    assert Settings(home=deep).broker.startswith("redis+socket:///")


@pytest.mark.parametrize("name", ["plain", "with space", "per%41cent", "naïve ☃", "hash#tag", "what?"])
def test_the_default_database_lies_in_home_whatever_home_is_called(tmp_path: Path, name: str) -> None:
    settings = Settings(home=tmp_path / name)
    upgrade(settings)
    database = Database(settings.database)
    with database.read() as session:
        assert session.scalar(sa.text("SELECT version_num FROM alembic_version"))
    database.dispose()
    assert (tmp_path / name / "jobyard.db").exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_setting_that_nobody_knows_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_OF_A_LATER_VERSION", "1")
    Settings.load()


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Settings.load()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"JOBYARD_{name.upper()}", "")
    assert Settings.load() == defaults

"""Jobyard from its wheel, in a folder of the user's that holds packages called as its own are."""

import contextlib
import json
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jobyard.cli import COMMANDS
from tests.acceptance.conftest import until
from tests.ports import free_port
from tests.wheels import Environment, make_environment, run, running, settings

NAMES = ("web", "workers", "shared", "migrations", "tests")
MAX_PACKAGES = 15
JOBYARD_PACKAGES = ("cli", "client", "demo", "migrations", "shared", "up", "web", "workers")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel beside the packages that the tests run with."""
    environment = make_environment(tmp_path_factory.mktemp("installed") / "venv")
    environment.install("--no-deps", "--no-index", wheel)
    environment.share_packages()
    return environment


@pytest.fixture(scope="module")
def client_alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with what it needs itself, from the package index."""
    environment = make_environment(tmp_path_factory.mktemp("client") / "venv")
    environment.install(wheel)
    return environment


@pytest.fixture(scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder. Its packages leave a mark when they are imported, and fail."""
    folder = tmp_path_factory.mktemp("users")
    for name in NAMES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(
            f"open({str(folder / 'imported')!r}, 'a').write('{name} ')\nraise ImportError({name!r})\n"
        )
    return folder


@pytest.fixture
def folder(_folder: Path) -> Iterator[Path]:
    """The user's folder, none of whose packages the test may import."""
    yield _folder
    assert not (_folder / "imported").exists(), (_folder / "imported").read_text()


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="jy-") as home:
        yield Path(home)


@pytest.fixture(scope="module")
def server(installed: Environment, home: Path, _folder: Path) -> Iterator[Path]:
    """`jobyard up` in the user's folder; its HOME."""
    log = home / "up.log"
    with running(installed.jobyard, "up", cwd=_folder, log=log, **settings(home)) as process:
        until(lambda: "Jobyard is up" in log.read_text() or process.poll() is not None, "up", show=log)
        yield home


# ---- the client alone


def test_a_client_is_few_packages(client_alone: Environment, folder: Path) -> None:
    code = "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
    packages = set(run(client_alone.python, "-c", code, cwd=folder).stdout.split())
    assert {"jobyard", "httpx", "click", "rich"} <= packages
    assert len(packages - {"pip", "setuptools"}) <= MAX_PACKAGES, packages


def test_a_client_alone_is_imported_from_python(client_alone: Environment, folder: Path) -> None:
    code = "from jobyard import AsyncClient, Client, JobFailed; print(Client.__name__, AsyncClient.__name__)"
    assert run(client_alone.python, "-W", "error", "-c", code, cwd=folder).stdout == "Client AsyncClient\n"


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_of_a_client_alone_explains_itself(
    client_alone: Environment, folder: Path, command: str | None
) -> None:
    shown = run(client_alone.jobyard, *([command] if command else []), "--help", cwd=folder)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: jobyard")


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_client_alone_says_what_a_server_needs(
    client_alone: Environment, folder: Path, command: str
) -> None:
    refused = run(client_alone.jobyard, command, cwd=folder)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"jobyard: `jobyard {command}` needs the server, and ")
    assert refused.stderr.endswith('is not installed: pip install "jobyard[server]"\n')
    assert refused.stderr.count("\n") == 1


def test_a_client_alone_talks_to_a_server(client_alone: Environment, server: Path, folder: Path) -> None:
    scored = run(client_alone.jobyard, "score", "I love it", "--json", cwd=folder, **settings(server))
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["result"]["scores"][0]["label"] == "positive"
    token, url = ((server / name).read_text().strip() for name in ("token", "url"))
    code = (
        "import sys; from jobyard import Client\n"
        "with Client(*sys.argv[1:]) as client: print(client.score(['It broke']).wait(60).result['labels'])"
    )
    from_python = run(client_alone.python, "-c", code, url, token, cwd=folder)
    assert "'negative': 1" in from_python.stdout, from_python.stderr


def test_a_shell_completes_its_commands(client_alone: Environment, folder: Path) -> None:
    script = run(client_alone.jobyard, cwd=folder, _JOBYARD_COMPLETE="bash_source")
    assert "_JOBYARD_COMPLETE=bash_complete" in script.stdout
    asked = {"_JOBYARD_COMPLETE": "bash_complete", "COMP_WORDS": "jobyard pr", "COMP_CWORD": "1"}
    assert run(client_alone.jobyard, cwd=folder, **asked).stdout == "plain,predict\n"


# ---- everything


def test_the_wheel_is_what_is_tested(installed: Environment, folder: Path) -> None:
    code = "; ".join(f"import jobyard.{name} as m; print(m.__file__)" for name in JOBYARD_PACKAGES)
    found = run(installed.python, "-c", code, cwd=folder)
    assert found.returncode == 0, found.stderr
    files = found.stdout.splitlines()
    assert len(files) == len(JOBYARD_PACKAGES)
    assert all(Path(file).is_relative_to(installed.folder) for file in files), files


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_explains_itself(installed: Environment, folder: Path, command: str | None) -> None:
    arguments = [*([command] if command else []), "--help"]
    shown = run(installed.jobyard, *arguments, cwd=folder)
    assert (shown.returncode, shown.stderr) == (0, "")
    by_module = run(installed.python, "-m", "jobyard.cli", *arguments, cwd=folder)
    assert (by_module.stdout, by_module.stderr) == (shown.stdout, "")


def test_every_command_works_on_a_server(installed: Environment, server: Path, folder: Path) -> None:
    def jobyard(*arguments: str, status: int = 0) -> str:
        done = run(installed.jobyard, *arguments, cwd=folder, **settings(server))
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        assert done.stderr.count("Traceback") == 0, done.stderr
        return done.stdout if status == 0 else done.stderr

    assert "positive" in jobyard("score", "I love it", "It broke")
    assert "negative" in jobyard("submit", "sentiment", "texts=I love it", "texts=It broke")
    assert "did you mean 'texts'?" in jobyard("submit", "sentiment", "text=I love it", status=2)
    assert "spec.dataset: is missing" in jobyard("submit", "train", status=2)
    (folder / "texts.csv").write_text("text\nI love it\n")
    refused = jobyard("submit", "import", "name=texts", "file=@texts.csv", status=1)
    assert "texts.csv: the file should be a zip or tar archive" in refused
    (job,) = [
        json.loads(line)
        for line in jobyard("jobs", "--kind", "sentiment", "--limit", "1", "--json").splitlines()
    ]
    assert job["state"] == "succeeded"
    assert "positive" in jobyard("watch", job["id"])
    assert "succeeded" in jobyard("logs", job["id"])
    assert "/login?token=" in jobyard("url")
    assert jobyard("models") == "no models\n"
    for command in ("cancel", "pause", "resume", "retry"):
        assert jobyard(command, job["id"], status=2).count("\n") == 1
    jobyard("train", "nothing@1", status=2)
    jobyard("predict", "nothing@1", "--dataset", "nothing@1", status=2)


def test_gunicorn_is_started_as_the_readme_has_it(
    installed: Environment, server: Path, folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    command = (
        installed.folder / "bin" / "gunicorn",
        "-c",
        "python:jobyard.web.gunicorn",
        "jobyard.web.app:create_app()",
    )
    log = tmp_path / "log"
    with running(*command, cwd=folder, log=log, **settings(server, PORT=port)):

        def is_ready() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
            except httpx.TransportError:
                return False

        until(is_ready, "gunicorn", show=log)
        assert "<html" in httpx.get(f"http://127.0.0.1:{port}/login", timeout=180).text


@pytest.mark.parametrize("role", ["gpu", "predict", "cpu", "sweeper", "flower"])
def test_every_process_is_started_by_hand(
    installed: Environment, server: Path, folder: Path, tmp_path: Path, role: str
) -> None:
    def registered() -> int:
        with contextlib.closing(sqlite3.connect(server / "jobyard.db", timeout=30)) as database:
            (found,) = database.execute("SELECT count(*) FROM workers").fetchone()
        return int(found)

    before = registered()
    port = free_port()
    command = (installed.python, "-m", "jobyard.workers", role)
    names = () if role in ("sweeper", "flower") else ("--name", f"second-{role}")
    log = tmp_path / "log"
    with running(*command, *names, cwd=folder, log=log, **settings(server, FLOWER_PORT=port)) as process:
        if role == "flower":
            until(lambda: _answers(port), role, show=log)
        elif names:
            until(lambda: registered() > before or process.poll() is not None, role, show=log)
        else:
            until(log.read_text, role, show=log)
    assert "Traceback" not in log.read_text(), log.read_text()
    assert process.returncode in (0, -signal.SIGTERM)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthcheck").is_success
    except httpx.TransportError:
        return False


def test_alembic_migrates_up_and_down(installed: Environment, folder: Path, tmp_path: Path) -> None:
    def migrate(*arguments: str) -> None:
        command = (installed.python, "-m", "jobyard.shared.migrate", *arguments)
        done = run(*command, cwd=folder, **settings(tmp_path))
        assert done.returncode == 0, done.stderr

    def tables() -> set[str]:
        with contextlib.closing(sqlite3.connect(tmp_path / "jobyard.db")) as database:
            return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")}

    migrate()
    newest = tables()
    assert "jobs" in newest
    migrate("-1")
    migrate("base")
    assert tables() == {"alembic_version"}
    migrate("head")
    assert tables() == newest

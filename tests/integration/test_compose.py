"""The compose files and the Dockerfile, as far as they can be checked without a Docker engine."""

import http.server
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from jobyard.shared.config import PREFIX, Settings
from jobyard.shared.migrate import newest_revision
from jobyard.up.redis import find_binary
from tests.conftest import new_database
from tests.serving import serving
from tests.waiting import PATIENCE

Config: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
BASE = ROOT / "docker-compose.yml"
GPU = ROOT / "docker-compose.gpu.yml"
DOCKERFILE = ROOT / "Dockerfile"

SECRETS = {
    "JOBYARD_TOKEN": "a-token-of-enough-characters",
    "REDIS_PASSWORD": "redis-password",
    "POSTGRES_PASSWORD": 'p@ss/w:rd "?#',
}
MEMORY = (
    "TRAINING_MEMORY",
    "JOB_MEMORY",
    "WEB_MEMORY",
    "POSTGRES_MEMORY",
    "REDIS_MEMORY",
    "SMALL_MEMORY",
)
OTHERS = ("TRAINING_STOP_TIME", "JOB_STOP_TIME", "LOG_MAX_SIZE", "LOG_MAX_FILES")
WORKERS = {"gpu-worker", "predict-worker", "cpu-worker"}
LONG_RUNNING = {"redis", "postgres", "web", *WORKERS, "sweeper", "flower"}
PUBLISHED = {"web": 8642, "flower": 5555}
JOBYARDS = {"migrate", "web", *WORKERS, "sweeper", "flower"}

# The settings that whoever writes .env does not choose for the containers, and why.
DECIDED = {
    "JOBYARD_HOME": "the image has its folder",
    "JOBYARD_PROFILE": "clients use it, and no container does",
    "JOBYARD_URL": "clients use it, and no container does",
    "JOBYARD_DATABASE_URL": "PostgreSQL is a service here, with a password of its own in .env",
    "JOBYARD_BROKER_URL": "Redis is a service here, with a password of its own in .env",
    "JOBYARD_STORAGE_URL": "the storage is a volume here",
    "JOBYARD_HOST": "a container listens on all its addresses; .env says which of the machine's lead to it",
    "JOBYARD_PORT": "it is a container's own; .env says which port of the machine leads to it",
    "JOBYARD_FLOWER_PORT": "it is a container's own; .env says which port of the machine leads to it",
}
# The settings that not all processes get: which do, and why.
ONLY_FOR = {
    "JOBYARD_TOKEN": ({"web", "flower"}, "the others check no token"),
    "JOBYARD_FLOWER_CONTROL": ({"flower"}, "the others are not Flower"),
}
# Flower reads no job, no file and no database.
FLOWERS = {"JOBYARD_LOG_FORMAT", "JOBYARD_LOG_LEVEL", "JOBYARD_TOKEN", "JOBYARD_FLOWER_CONTROL"}

# Debian's docker-compose of old prints only YAML; its own YAML library is there where it is.
TO_JSON = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"


@pytest.fixture(scope="module")
def compose() -> list[str]:
    """The command: Docker's plugin, or the program docker-compose."""
    if shutil.which("docker") and _run(["docker", "compose", "version"], {}).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    message = "there is no docker-compose here: apt-get install docker-compose"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def merged(compose: list[str]) -> Callable[..., Config]:
    """What compose makes of its files, with the secrets and these variables set."""
    prints_json = "--format" in _run([*compose, "config", "--help"], {}).stdout

    def load(*files: Path, **environment: str) -> Config:
        arguments = [*compose, *(part for file in files for part in ("-f", str(file))), "config"]
        found = _run([*arguments, *(["--format", "json"] if prints_json else [])], SECRETS | environment)
        if not prints_json:
            assert found.returncode == 0, found.stderr
            found = _run(["/usr/bin/python3", "-c", TO_JSON], {}, found.stdout)
        assert found.returncode == 0, found.stderr
        config: Config = json.loads(found.stdout)
        for service in config["services"].values():
            service.get("volumes", []).sort(key=str)  # merging shuffles them
            service["networks"] = sorted(service.get("networks", []))
        return config

    return load


@pytest.fixture(scope="module")
def services(merged: Callable[..., Config]) -> dict[str, Config]:
    found: dict[str, Config] = merged(BASE)["services"]
    return found


def _run(
    command: list[str], environment: dict[str, str], text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """In an empty environment: neither the caller's variables nor a .env file in the checkout count."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # A variable that is set, even if empty, goes before the one in a .env file.
    blank = dict.fromkeys([*SECRETS, *MEMORY, *OTHERS, *_settings()], "")
    return subprocess.run(
        command, env=kept | blank | environment, input=text, capture_output=True, text=True, timeout=180
    )


def _settings() -> list[str]:
    return [PREFIX + name.upper() for name in Settings.model_fields]


def _environment(service: Config) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def _ports(service: Config) -> list[tuple[str, int, int]]:
    """(address, port on the host, port in the container), as old and new compose print them."""
    ports = []
    for port in service.get("ports", []):
        if isinstance(port, str):
            address, host, container = port.removesuffix("/tcp").split(":")
            ports.append((address, int(host), int(container)))
        else:
            ports.append((port["host_ip"], int(port["published"]), int(port["target"])))
    return ports


def _needs(service: Config) -> dict[str, str]:
    return {name: how["condition"] for name, how in service.get("depends_on", {}).items()}


# ---- the compose file


def test_all_processes_are_there(services: dict[str, Config]) -> None:
    assert set(services) == LONG_RUNNING | {"migrate"}


@pytest.mark.parametrize("secret", SECRETS)
def test_it_refuses_to_start_without_each_secret_and_names_it(
    compose: list[str], merged: Callable[..., Config], secret: str
) -> None:
    refused = _run([*compose, "-f", str(BASE), "config"], SECRETS | {secret: ""})
    assert refused.returncode != 0
    assert f"set {secret}" in refused.stderr


def test_no_secret_has_a_default_or_is_on_a_command_line(merged: Callable[..., Config]) -> None:
    unlikely = {name: f"unlikely-{name}-value" for name in SECRETS}
    for name, service in merged(BASE, **unlikely)["services"].items():
        for part in ("command", "healthcheck", "entrypoint", "build", "labels"):
            assert "unlikely-" not in json.dumps(service.get(part)), (name, part)
    text = BASE.read_text()
    for secret in SECRETS:
        assert f"${{{secret}:-" not in text
        assert f"${{{secret}}}" not in text


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_what_runs_for_long_is_watched_restarted_and_stopped_in_peace(
    services: dict[str, Config], name: str
) -> None:
    service = services[name]
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"]


def test_workers_have_the_time_to_put_their_jobs_back(merged: Callable[..., Config]) -> None:
    default = merged(BASE)["services"]
    assert _seconds(default["gpu-worker"]["stop_grace_period"]) == 180
    assert _seconds(default["cpu-worker"]["stop_grace_period"]) == 60
    chosen = merged(BASE, TRAINING_STOP_TIME="301s", JOB_STOP_TIME="302s")["services"]
    times = {name: _seconds(chosen[name]["stop_grace_period"]) for name in WORKERS}
    assert times == {"gpu-worker": 301, "cpu-worker": 302, "predict-worker": 302}


def _seconds(duration: str) -> int:
    """As old and new compose print it: 180s, 3m, 3m0s."""
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups("0")  # type: ignore[union-attr]
    return int(minutes) * 60 + int(seconds)


def test_no_log_fills_the_disk(merged: Callable[..., Config], services: dict[str, Config]) -> None:
    for name, service in services.items():
        assert service["logging"]["driver"] == "json-file", name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
    for name, service in merged(BASE, LOG_MAX_SIZE="3m", LOG_MAX_FILES="2")["services"].items():
        assert service["logging"]["options"] == {"max-size": "3m", "max-file": "2"}, name


def test_everything_that_uses_the_database_waits_for_the_migration(services: dict[str, Config]) -> None:
    assert services["migrate"]["restart"] in ("no", None, False)
    assert _needs(services["migrate"]) == {"postgres": "service_healthy"}
    assert _needs(services["flower"]) == {"redis": "service_healthy"}
    for name in LONG_RUNNING - {"redis", "postgres", "flower"}:
        assert _needs(services[name]) == {
            "migrate": "service_completed_successfully",
            "redis": "service_healthy",
        }


def test_only_web_and_flower_are_published_and_only_on_this_machine(services: dict[str, Config]) -> None:
    published = {name: _ports(service) for name, service in services.items() if _ports(service)}
    assert published == {name: [("127.0.0.1", port, port)] for name, port in PUBLISHED.items()}
    for name, service in services.items():
        assert "network_mode" not in service, name


def test_addresses_and_ports_can_be_set(merged: Callable[..., Config]) -> None:
    services = merged(BASE, JOBYARD_HOST="10.0.0.7", JOBYARD_PORT="9000", JOBYARD_FLOWER_PORT="9001")[
        "services"
    ]
    assert _ports(services["web"]) == [("10.0.0.7", 9000, 8642)]
    assert _ports(services["flower"]) == [("10.0.0.7", 9001, 5555)]


@pytest.mark.parametrize("name", sorted(WORKERS | {"sweeper"}))
def test_there_can_be_many_of_it(services: dict[str, Config], name: str) -> None:
    assert "container_name" not in services[name]
    assert "hostname" not in services[name]
    assert not _ports(services[name])


def test_nothing_runs_with_more_rights_than_it_needs(services: dict[str, Config]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["init"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in service["tmpfs"], name  # noqa: S108 - a mount in the container
        assert "privileged" not in service, name


def test_nothing_takes_more_memory_or_processes_than_it_may(
    merged: Callable[..., Config], services: dict[str, Config]
) -> None:
    for name, service in services.items():
        assert 0 < service["pids_limit"] <= 4096, name
        # Without the second, as much swap again.
        assert _bytes(service["mem_limit"]) == _bytes(service["memswap_limit"]) > 0, name
        assert service["ulimits"]["core"] == 0, name
    chosen = merged(BASE, **dict.fromkeys(MEMORY, "3g"))["services"]
    settable = {name for name in services if chosen[name]["mem_limit"] != services[name]["mem_limit"]}
    assert settable == set(services)
    assert {_bytes(chosen[name]["memswap_limit"]) for name in settable} == {3 << 30}


def _bytes(size: str | int) -> int:
    """As old and new compose print it: 8g, or bytes."""
    number = str(size)
    return int(number) if number.isdecimal() else int(number[:-1]) << {"m": 20, "g": 30}[number[-1]]


def test_flower_reaches_the_broker_only(services: dict[str, Config]) -> None:
    environment = _environment(services["flower"])
    assert {"PGPASSWORD", "JOBYARD_DATABASE_URL", "JOBYARD_STORAGE_URL"} & set(environment) == set()
    assert SECRETS["POSTGRES_PASSWORD"] not in json.dumps(services["flower"])
    assert services["flower"]["networks"] == services["redis"]["networks"] == ["broker"]
    assert services["postgres"]["networks"] == services["migrate"]["networks"] == ["database"]
    for name in {"web", "sweeper"} | WORKERS:
        assert services[name]["networks"] == ["broker", "database"]
    assert [_mount(volume)[0] for volume in services["flower"]["volumes"]] == ["flower-home"]


def test_images_of_others_are_named_by_version_and_digest(services: dict[str, Config]) -> None:
    images = [service["image"] for service in services.values() if "image" in service]
    images += re.findall(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert len(images) == 3
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}", image), image
    for line in re.findall(r"^FROM .+$", DOCKERFILE.read_text(), re.MULTILINE):
        assert re.fullmatch(r"FROM (\$\{PYTHON_IMAGE\}|[a-z-]+) AS [a-z-]+", line), line


def test_web_and_workers_share_the_storage_and_what_must_last_is_in_named_volumes(
    merged: Callable[..., Config],
) -> None:
    config = merged(BASE)
    mounts = {
        name: {_mount(volume) for volume in service.get("volumes", [])}
        for name, service in config["services"].items()
    }
    for name in {"web"} | WORKERS:
        assert ("storage", "/storage") in mounts[name]
        assert _environment(config["services"][name])["JOBYARD_STORAGE_URL"] == "file:///storage"
    assert mounts["redis"] == {("redis-data", "/data")}
    assert mounts["postgres"] == {("postgres-data", "/var/lib/postgresql")}
    assert {source for all_of_it in mounts.values() for source, _ in all_of_it} == set(config["volumes"])


def _mount(volume: str | Config) -> tuple[str, str]:
    if isinstance(volume, str):
        source, target = volume.split(":")[:2]
        return source, target
    return volume["source"], volume["target"]


def test_only_settings_that_exist_are_set(services: dict[str, Config]) -> None:
    used = set(re.findall(r"JOBYARD_[A-Z_]+", BASE.read_text() + GPU.read_text()))
    used |= set(re.findall(r"JOBYARD_[A-Z_]+", (ROOT / ".env.example").read_text()))
    used |= set(re.findall(r"JOBYARD_[A-Z_]+", DOCKERFILE.read_text()))
    assert used <= set(_settings())


@pytest.mark.parametrize("name", ["migrate", "web", *sorted(WORKERS), "sweeper", "flower"])
def test_the_settings_of_each_process_are_accepted_and_the_defaults_are_the_code_s(
    services: dict[str, Config], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in _settings():
        monkeypatch.delenv(variable, raising=False)
    default = Settings.load()
    environment = _environment(services[name])
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    settings = Settings.load()
    decided = {"host", "port", "flower_port", "token", "database_url", "broker_url", "storage_url"}
    assert settings.model_dump(exclude=decided) == default.model_dump(exclude=decided)
    if name != "flower":
        assert settings.database == "postgresql+psycopg://jobyard@postgres/jobyard"
        assert environment["PGPASSWORD"] == SECRETS["POSTGRES_PASSWORD"]
    assert settings.broker == f"redis://:{SECRETS['REDIS_PASSWORD']}@redis:6379/0"


@pytest.fixture(scope="module")
def passed_on(merged: Callable[..., Config]) -> dict[str, Config]:
    """The environment of each service, where every setting has a value of its own in .env."""
    numbers = {"JOBYARD_PORT": "9000", "JOBYARD_FLOWER_PORT": "9001", "JOBYARD_HOST": "127.0.0.2"}
    given = {name: f"the-value-of-{name}" for name in _settings()} | numbers
    return {name: _environment(service) for name, service in merged(BASE, **given)["services"].items()}


@pytest.mark.parametrize("service", sorted(JOBYARDS))
def test_every_setting_reaches_every_process_that_reads_it(
    passed_on: dict[str, Config], service: str
) -> None:
    """A setting that is new in the code fails here until it is in docker-compose.yml, or in a list above."""
    every = set(_settings()) - set(DECIDED)
    expected = {name for name in every if service in ONLY_FOR.get(name, ({service}, ""))[0]}
    if service == "flower":
        expected &= FLOWERS
    given = {
        name
        for name, value in passed_on[service].items()
        if name in every and value == f"the-value-of-{name}"
    }
    assert given == expected


def test_the_lists_of_settings_name_settings() -> None:
    assert {*DECIDED, *ONLY_FOR, *FLOWERS} <= set(_settings())
    assert not set(DECIDED) & {*ONLY_FOR, *FLOWERS}


def test_every_setting_to_choose_is_in_the_example(services: dict[str, Config]) -> None:
    example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example == set(re.findall(r"\$\{([A-Z_]+)", BASE.read_text()))


def test_the_documentation_names_services_that_exist(services: dict[str, Config]) -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs/how-to").glob("*.md"))
    lines = re.findall(r"^docker compose (?:exec|run|stop|logs) (.+)$", pages, re.MULTILINE)
    assert lines
    for line in lines:
        words = [word for word in shlex.split(line, comments=True) if not word.startswith("-")]
        assert words[0] in services, line
        if line.startswith("web "):  # of `stop`: all that use the database
            assert set(words) == {"web", "sweeper"} | WORKERS


# ---- the gpu override


def test_the_gpu_override_gives_the_gpu_worker_the_device_and_nvidia_s_libraries(
    merged: Callable[..., Config], services: dict[str, Config]
) -> None:
    overridden = merged(BASE, GPU)["services"]
    worker = overridden["gpu-worker"]
    assert worker["build"]["target"] == "cuda"
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    for name, service in services.items():
        if name != "gpu-worker":
            assert overridden[name] == service
    changed = {key for key in worker if worker[key] != services["gpu-worker"].get(key)}
    assert changed == {"build", "deploy"}


# ---- the images


@pytest.fixture(scope="module")
def stages() -> dict[str, list[str]]:
    """The Dockerfile's instructions by stage; the first of each is its FROM."""
    found: dict[str, list[str]] = {}
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if match := re.fullmatch(r"FROM \S+ AS (\S+)", line):
            found[match[1]] = [line]
        elif found and line.strip() and not line.startswith("#"):
            next(reversed(found.values())).append(line)
    return found


def _built(stages: dict[str, list[str]], target: str) -> list[str]:
    """All instructions that a target consists of, its bases first."""
    base = stages[target][0].split()[1]
    return [*(_built(stages, base) if base in stages else []), *stages[target]]


def _packages(lock: str) -> set[str]:
    text = (ROOT / "locks" / lock).read_text()
    return {
        name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    }


LOCKS = {"web": "web.txt", "cpu": "cpu.txt", "gpu": "gpu.txt", "cuda": "cuda.txt", "flower": "flower.txt"}


@pytest.mark.parametrize(("target", "lock"), LOCKS.items())
def test_each_image_is_made_of_its_lock_with_hashes_checked(
    stages: dict[str, list[str]], target: str, lock: str
) -> None:
    (source,) = re.findall(r"COPY --from=(\S+) /venv /venv", "\n".join(stages[target]))
    dependencies = "\n".join(_built(stages, source))
    assert f"COPY locks/{lock} ." in dependencies
    assert f"pip install --no-deps -r {lock}" in dependencies
    assert "PIP_REQUIRE_HASHES=1" in dependencies
    assert "PIP_ONLY_BINARY=:all:" in dependencies


@pytest.mark.parametrize("target", LOCKS)
def test_no_image_runs_as_root(stages: dict[str, list[str]], target: str) -> None:
    users = [line.split()[1] for line in _built(stages, target) if line.startswith("USER ")]
    assert users == ["jobyard"]


def test_images_have_only_what_they_need() -> None:
    heavy = {"tensorflow", "keras", "nltk"}
    assert heavy & _packages("web.txt") == set()
    assert heavy & _packages("flower.txt") == set()
    assert heavy & _packages("cpu.txt") == {"nltk"}
    assert heavy & _packages("gpu.txt") == {"tensorflow", "keras"}
    assert {"flask", "gunicorn"} & (
        _packages("cpu.txt") | _packages("gpu.txt") | _packages("cuda.txt")
    ) == set()
    assert not any(name.startswith("nvidia-") for name in _packages("gpu.txt"))
    assert any(name.startswith("nvidia-") for name in _packages("cuda.txt"))


def test_every_folder_that_is_copied_exists_and_is_let_through(stages: dict[str, list[str]]) -> None:
    let_through = {
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for line in (line for lines in stages.values() for line in lines):
        if match := re.fullmatch(r"COPY (?!--from)(\S+) \S+", line):
            path = match[1].rstrip("/")
            assert (ROOT / path).exists(), line
            assert {path, path.split("/")[0]} & let_through, line


@pytest.fixture(scope="module")
def app(stages: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images' folder /app: what the stage `code` does, in folders of the test's own."""
    folder = tmp_path_factory.mktemp("image")
    source, app = folder / "source", folder / "app"
    source.mkdir()
    for line in stages["code"]:
        if match := re.fullmatch(r"COPY (\S+?)/? (\.|\1/)", line):
            path = ROOT / match[1]
            if path.is_dir():
                made = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, source / match[1], symlinks=True, ignore=made)
            else:
                shutil.copy(path, source)
    (install,) = [line.removeprefix("RUN ") for line in stages["code"] if line.endswith(" --target /app .")]
    install = install.replace("/venv/bin/pip", f"{shlex.quote(sys.executable)} -m pip")
    install = install.replace("/app", shlex.quote(str(app)))
    installed = subprocess.run(
        ["sh", "-euc", install],
        cwd=source,
        env=os.environ | {"PIP_ONLY_BINARY": ":all:", "PIP_REQUIRE_HASHES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    for line in stages["code"]:
        if match := re.fullmatch(r"COPY (\S+) /app/(\S*)", line):
            (app / match[2]).mkdir(exist_ok=True)
            shutil.copy(ROOT / match[1], app / match[2])
    return app


def test_the_code_of_the_images_is_installed_with_its_metadata(app: Path) -> None:
    """Kinds of job are found by the metadata."""
    assert list(app.glob("jobyard/web/__pycache__/app.*.pyc"))
    code = (
        "import importlib.metadata, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import jobyard.shared.migrate, jobyard.web.app, jobyard.workers.runtime.app\n"
        "found = importlib.metadata.distribution('jobyard')\n"
        "print(found.locate_file(''), *(entry.group for entry in found.entry_points))\n"
        "print(jobyard.web.app.__file__)"
    )
    shown = _run([sys.executable, "-c", code, str(app)], {})
    assert shown.returncode == 0, shown.stderr
    metadata, module = shown.stdout.splitlines()
    assert metadata.startswith(f"{app} ")
    assert "console_scripts" in metadata
    assert module == str(app / "jobyard" / "web" / "app.py")


def test_the_documented_commands_migrate_up_and_down_in_the_images(
    app: Path, services: dict[str, Config], postgres: str, tmp_path: Path
) -> None:
    page = (ROOT / "docs/how-to/upgrade.md").read_text()
    documented = [
        shlex.split(line)
        for line in re.findall(r"^docker compose run --rm migrate (.+?)(?: +#.*)?$", page, re.MULTILINE)
    ]
    assert {tuple(command[:2]) for command in documented} == {
        ("alembic", "history"),
        ("alembic", "current"),
        ("alembic", "downgrade"),
    }
    said = []
    with new_database(postgres) as url:
        environment = _environment(services["migrate"]) | {
            "JOBYARD_HOME": str(tmp_path / "home"),
            "JOBYARD_DATABASE_URL": url,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(app),
        }
        commands = [services["migrate"]["command"], *documented, ["alembic", "current"]]
        commands += [["alembic", "downgrade", "base"], ["alembic", "upgrade", "head"], ["alembic", "current"]]
        for command in commands:
            done = subprocess.run(
                command, cwd=app, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, (command, done.stderr)
            said.append(done.stdout)
    newest = newest_revision()
    history, before, after, last = said[1], said[2], said[-4], said[-1]
    assert f"{newest} (head)" in history
    assert before == last == f"{newest} (head)\n"
    assert "(head)" not in after


def test_alembic_says_in_one_line_what_is_wrong(app: Path, tmp_path: Path) -> None:
    environment = {"JOBYARD_HOME": str(tmp_path), "PYTHONPATH": str(app)}
    nowhere = {"JOBYARD_DATABASE_URL": "postgresql://jobyard@127.0.0.1:1/jobyard"}
    for wrong, named in (
        (nowhere, "JOBYARD_DATABASE_URL"),
        ({"JOBYARD_MAX_ATTEMPTS": "0"}, "JOBYARD_MAX_ATTEMPTS"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "current"],
            cwd=app,
            env=environment | wrong,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode != 0
        assert f"FAILED: {named}: " in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["migrate", "web", *sorted(WORKERS), "sweeper", "flower"])
def test_every_command_is_one_that_its_image_has(
    services: dict[str, Config], stages: dict[str, list[str]], name: str
) -> None:
    service = services[name]
    target = service["build"]["target"]
    program, *arguments = service["command"]
    if program == "python":
        assert arguments[0] == "-m"
        module = arguments[1]
    else:
        assert program in _packages(LOCKS[target])
        module = arguments[-1].partition(":")[0]
    assert importlib.util.find_spec(module) is not None
    (code,) = re.findall(r"COPY --from=(\S+) /app /app", "\n".join(stages[target]))
    package, folder = module.split(".")[:2]
    copied = _built(stages, code)
    assert {f"COPY {name}/ {name}/" for name in (package, folder)} <= set(copied)
    if module == "jobyard.workers":
        help_text = _run([sys.executable, "-m", "jobyard.workers", "--help"], {}).stdout
        assert re.search(rf"\b{arguments[2]}\b", help_text)


def test_compose_runs_what_jobyard_up_runs(services: dict[str, Config]) -> None:
    in_compose = {"gpu": "gpu-worker", "predict": "predict-worker", "cpu": "cpu-worker"}
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, command = line.split(": ", 1)
        if name != "redis":
            service = services[in_compose.get(name, name)]
            assert shlex.split(command.removeprefix("exec ")) == service["command"]


@pytest.mark.parametrize("target", LOCKS)
def test_every_image_starts_its_process_by_itself(
    services: dict[str, Config], stages: dict[str, list[str]], target: str
) -> None:
    (command,) = [json.loads(line[4:]) for line in _built(stages, target) if line.startswith("CMD ")]
    assert command in [service.get("command") for service in services.values()]


# ---- redis: its command is a small script, so it is run


def test_redis_wants_the_password_keeps_every_message_and_shows_no_secret(
    services: dict[str, Config], tmp_path: Path
) -> None:
    import redis

    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)  # or it tries for seconds to log in
    path = tmp_path / "redis.sock"
    script = services["redis"]["command"][-1].replace("$$", "$")
    script = script.replace("dir /data", f"dir {tmp_path}\nport 0\nunixsocket {path}")
    (tmp_path / "redis-server").symlink_to(find_binary())
    programs = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    server = subprocess.Popen(["sh", "-euc", script], env={"PATH": programs, "REDIS_PASSWORD": "s3cret-word"})
    try:
        with redis.Redis(
            unix_socket_path=str(path),
            password="s3cret-word",
            retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100),
            retry_on_error=[redis.ConnectionError],
        ) as connection:
            assert connection.ping()
            kept = [connection.config_get(name) for name in ("appendonly", "maxmemory-policy", "save")]
            assert kept == [{"appendonly": "yes"}, {"maxmemory-policy": "noeviction"}, {"save": ""}]
        with (
            redis.Redis(unix_socket_path=str(path), retry=once) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        assert b"s3cret-word" not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
    finally:
        server.terminate()
        assert server.wait(PATIENCE) == 0


def test_redis_refuses_a_password_that_breaks_an_address(services: dict[str, Config]) -> None:
    script = services["redis"]["command"][-1].replace("$$", "$")
    refused = _run(["sh", "-euc", script], {"REDIS_PASSWORD": "a@b"})
    assert refused.returncode == 2
    assert "REDIS_PASSWORD" in refused.stderr
    assert "a@b" not in refused.stderr


# ---- the health check


@pytest.fixture(scope="module")
def healthy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthy", ROOT / "docker" / "healthy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_what_serves_http_is_healthy_if_it_says_so(
    healthy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Docker gives its proxy settings to containers. This one would answer nothing.
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server = http.server.HTTPServer(("127.0.0.1", 0), _Answers)
    with serving(server):
        url = f"http://127.0.0.1:{server.server_port}"
        assert healthy.main("http", f"{url}/readyz") == 0
        assert healthy.main("http", f"{url}/busy") == 1
    assert healthy.main("http", f"{url}/readyz") == 1


def test_a_process_is_healthy_while_its_main_thread_wakes(healthy: ModuleType) -> None:
    loop = [sys.executable, "-c", "import time\nwhile True: time.sleep(0.2)"]
    with subprocess.Popen(loop) as process:
        try:
            assert healthy.is_awake(process.pid, 20)
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            assert not healthy.is_awake(process.pid, 1)
        finally:
            process.kill()


def test_a_process_is_healthy_while_it_is_connected(healthy: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not healthy.is_connected(port)
        with socket.create_connection(("127.0.0.1", port)):
            assert healthy.is_connected(port)


def test_the_health_check_finds_the_worker_s_parent(
    healthy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid, command in {
        1: "docker-init -- python -m jobyard.workers cpu",
        7: "python -m jobyard.workers cpu",
        9: "python -m jobyard.workers cpu",
        12: "python docker/healthy.py process 6379",
    }.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(command.replace(" ", "\0").encode() + b"\0")
    monkeypatch.setattr(healthy, "PROC", tmp_path)
    assert healthy.main_process() == 7

"""The units in deploy/systemd, installed as docs/how-to/run-with-systemd.md says, and checked by systemd."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobyard.shared.config import PREFIX, Settings
from jobyard.shared.kinds.base import Queue
from tests.samples import ROOT

UNITS = ROOT / "deploy" / "systemd"
PAGE = ROOT / "docs/how-to/run-with-systemd.md"
BIN = "/opt/jobyard/bin/"
# A unit, and the service of docker-compose.yml that does the same.
IN_COMPOSE = {
    "jobyard-redis": "redis",
    "jobyard-migrate": "migrate",
    "jobyard-web": "web",
    "jobyard-worker@gpu": "gpu-worker",
    "jobyard-worker@predict": "predict-worker",
    "jobyard-worker@cpu": "cpu-worker",
    "jobyard-sweeper": "sweeper",
    "jobyard-flower": "flower",
}
LONG_RUNNING = sorted(set(IN_COMPOSE) - {"jobyard-migrate"})
# What systemd-analyze security may make of a unit, of 100: 20 and below are "OK".
MAX_EXPOSURE = 25


class _Unit(configparser.RawConfigParser):
    """A unit's settings, its drop-ins included as systemd orders them: by the names of the files."""

    def __init__(self, name: str) -> None:
        # The key of what may be there several times has a list in systemd: lines are kept apart.
        super().__init__(strict=False, delimiters=["="], comment_prefixes=["#"])
        template = re.sub("@.+", "@", name)
        dropins = [*UNITS.glob("jobyard-.service.d/*.conf"), *UNITS.glob(f"{name}.service.d/*.conf")]
        self.environment_files: list[str] = []
        for path in [UNITS / f"{template}.service", *sorted(dropins, key=lambda path: path.name)]:
            text = path.read_text().replace("%i", name.partition("@")[2])
            self.environment_files += re.findall("^EnvironmentFile=(.+)$", text, re.MULTILINE)
            self.read_string(text)

    def optionxform(self, optionstr: str) -> str:
        return optionstr

    @property
    def command(self) -> list[str]:
        """What it runs, without the folder of the virtual environment."""
        line: str = self["Service"]["ExecStart"]
        assert line.startswith(BIN)
        return shlex.split(line.removeprefix(BIN).replace("(", "\\(").replace(")", "\\)"))


@pytest.fixture(scope="module")
def systemd() -> None:
    if shutil.which("systemd-analyze") is None:
        message = "there is no systemd-analyze here: apt-get install systemd"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="module")
def machine(systemd: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the root of a machine, on which the page's commands for files and units were typed."""
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / BIN[1:]).mkdir(parents=True)
    for program in ("python", "gunicorn"):
        (root / BIN[1:] / program).touch(mode=0o755)
    installation, _, _ = PAGE.read_text().partition("## Stop")
    typed = re.findall(r"^sudo ((?:install|cp|systemctl enable) .+)$", installation, re.MULTILINE)
    assert len(typed) == 5
    for line in typed:
        line = re.sub(r" (/etc/\S+)", lambda match: f" {shlex.quote(str(root))}{match[1]}", line)
        line = line.replace("systemctl", f"systemctl --root={shlex.quote(str(root))}")
        subprocess.run(["sh", "-euc", line], cwd=ROOT, check=True, capture_output=True)
    return root


def test_the_settings_are_root_s_alone(machine: Path) -> None:
    folder = machine / "etc/jobyard"
    assert {path.name for path in folder.iterdir()} == {"settings.env", "database.env"}
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())] == [0o700, 0o600, 0o600]


def test_all_that_was_enabled_starts_with_the_machine(machine: Path) -> None:
    system = machine / "etc/systemd/system"
    assert (system / "multi-user.target.wants/jobyard.target").is_symlink()
    wanted = {path.name.removesuffix(".service") for path in (system / "jobyard.target.wants").iterdir()}
    assert wanted == set(LONG_RUNNING)


def test_systemd_finds_nothing_wrong(machine: Path) -> None:
    units = ["jobyard.target", *(f"{name}.service" for name in IN_COMPOSE)]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={machine}", *units],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", IN_COMPOSE)
def test_systemd_finds_no_process_exposed(machine: Path, name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}"]
    done = subprocess.run(
        [*command, f"--root={machine}", f"{name}.service"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_the_processes_are_those_of_compose(services: dict[str, Any]) -> None:
    assert {IN_COMPOSE[name] for name in IN_COMPOSE} == set(services) - {"postgres"}
    templates = {path.stem for path in UNITS.glob("*.service")}
    assert templates == {re.sub("@.+", "@", name) for name in IN_COMPOSE}
    assert {name.partition("@")[2] for name in IN_COMPOSE if "@" in name} == {queue.value for queue in Queue}


def test_they_run_what_compose_and_jobyard_up_run(services: dict[str, Any]) -> None:
    procfile = dict(line.split(": exec ") for line in (ROOT / "Procfile").read_text().splitlines())
    in_procfile = {name: re.split("[-@]", name)[-1] for name in LONG_RUNNING}
    for name, process in in_procfile.items():
        assert _Unit(name).command == shlex.split(procfile[process]), name
    for name in set(IN_COMPOSE) - {"jobyard-redis"}:
        assert _Unit(name).command == services[IN_COMPOSE[name]]["command"], name


@pytest.mark.parametrize("name", IN_COMPOSE)
def test_their_limits_are_those_of_compose(services: dict[str, Any], name: str) -> None:
    service, unit = services[IN_COMPOSE[name]], _Unit(name)["Service"]
    assert unit["MemoryMax"] == _default(service["mem_limit"]).upper()
    assert unit["MemorySwapMax"] == "0"
    assert unit["TasksMax"] == str(service["pids_limit"])
    assert unit["LimitNOFILE"] == str(service["ulimits"]["nofile"])
    assert unit["LimitCORE"] == str(service["ulimits"]["core"])
    if name != "jobyard-migrate":
        assert f"{unit['TimeoutStopSec']}s" == _default(service["stop_grace_period"])


def _default(value: str) -> str:
    """What compose takes where .env has no value."""
    return re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_runs_for_long_is_restarted_and_stopped_in_peace(name: str) -> None:
    unit = _Unit(name)
    assert unit["Unit"]["PartOf"] == "jobyard.target"
    assert unit["Service"]["Restart"] == "always"
    # A restart mends no wrong setting.
    assert unit["Service"]["RestartPreventExitStatus"] == "2"
    # Where memory runs out, the kernel ends one process, and systemd not the others.
    assert unit["Service"]["OOMPolicy"] == "continue"
    # The parent tells its children; an export's process would take the signal for its end.
    assert unit["Service"]["KillMode"] == "mixed"


@pytest.mark.parametrize("name", IN_COMPOSE)
def test_only_what_uses_the_database_gets_its_password(services: dict[str, Any], name: str) -> None:
    files = [Path(path).name for path in _Unit(name).environment_files]
    uses_it = "database" in services[IN_COMPOSE[name]]["networks"]
    assert sorted(files) == (["database.env", "settings.env"] if uses_it else ["settings.env"])
    for path in files:
        assert (UNITS / path).exists()


def test_a_limit_of_the_administrator_s_own_counts() -> None:
    """`systemctl set-property` writes 50-MemoryMax.conf; of two files the later name has the last word."""
    assert [path.name for path in UNITS.glob("*.d/*.conf") if path.name >= "50-"] == []


def test_only_settings_that_exist_are_named_and_secrets_are_where_they_belong() -> None:
    texts = {path.name: path.read_text() for path in UNITS.rglob("*") if path.is_file()}
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"JOBYARD_[A-Z_]+", "".join(texts.values()) + PAGE.read_text())) <= known
    for name in ("JOBYARD_DATABASE_URL", "PGPASSWORD", "JOBYARD_STORAGE_URL"):
        assert [file for file, text in texts.items() if f"{name}=" in text] == ["database.env"]


def test_the_page_names_units_that_exist_and_their_limits() -> None:
    page = PAGE.read_text()
    named = set(re.findall(r"\bjobyard-[a-z]+(?:@[a-z]+)?", page)) - {"jobyard-second@"}
    assert named - {"jobyard-second"} == set(IN_COMPOSE) - {"jobyard-migrate"} | {"jobyard-worker"}
    for limit, names in {
        "8 GB": ["jobyard-worker@gpu"],
        "4 GB": ["jobyard-worker@cpu"],
        "2 GB": ["jobyard-web"],
    }.items():
        for name in names:
            (row,) = [line for line in page.splitlines() if line.startswith("| ") and f"`{name}`" in line]
            assert limit in row
            assert _Unit(name)["Service"]["MemoryMax"] == limit.replace(" GB", "G")

"""What users install, made from this checkout: its wheel, and environments that hold wheels."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 300

# What is in a checkout and comes from working in it.
LEFT_OUT = (".*", "__pycache__", "build", "dist", "*.egg-info")

# What a process can be told about where Python finds packages.
PATHS = ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME", "VIRTUAL_ENV")


def run(*command: str | Path, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run to the end, in the environment of a user who has set nothing; the caller looks at the status."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=plain_environment() | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def plain_environment() -> dict[str, str]:
    """This process' environment without settings of Jobyard, and without another place to import from."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("JOBYARD_") and name not in PATHS
    }


def copy_checkout(target: Path) -> Path:
    """The checkout without what was made in it. A build in place would leave `build/` for later builds."""
    shutil.copytree(ROOT, target, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return target


def build_wheel(source: Path, target: Path) -> Path:
    """The wheel of a project (a folder, or an sdist), with the setuptools that is here."""
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir")
    built = run(sys.executable, "-m", "pip", "wheel", *options, target, source, cwd=target.parent)
    assert built.returncode == 0, built.stderr
    (wheel,) = target.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def jobyard(self) -> Path:
        return self.folder / "bin" / "jobyard"

    def install(self, *what: str | Path) -> None:
        """`pip install`, with the pip that is here."""
        pip = (sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet")
        installed = run(*pip, *what, cwd=self.folder)
        assert installed.returncode == 0, installed.stderr

    def share_packages(self) -> None:
        """Let it import what the tests run with, after its own packages; an editable Jobyard is not among it.

        Called after the wheels are installed: pip would take a Jobyard that it can see for theirs.
        """
        own = Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))
        # Of a folder that a .pth file names, .pth files (such as an editable Jobyard's) are not read.
        (own / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        gunicorn = self.folder / "bin" / "gunicorn"
        gunicorn.write_text(f"#!{self.python}\nfrom gunicorn.app.wsgiapp import run\nrun()\n")
        gunicorn.chmod(0o755)


def make_environment(folder: Path) -> Environment:
    """An empty virtual environment."""
    venv.create(folder, symlinks=True)
    return Environment(folder)


def settings(home: Path, **given: object) -> dict[str, str]:
    """The environment of a server in this HOME, on ports of its own."""
    named = {"HOME": home, "PORT": 0, "FLOWER_PORT": 0} | given
    return {"TF_CPP_MIN_LOG_LEVEL": "2"} | {f"JOBYARD_{name}": str(value) for name, value in named.items()}


@contextlib.contextmanager
def running(
    *command: str | Path, cwd: Path, log: Path, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is asked to end at the end, and then does so by itself."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=plain_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()

"""The demo's own server: `jobyard up` in a folder of its own, on free ports."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from jobyard.cli.follow import working
from jobyard.shared.config import PREFIX, Settings
from jobyard.shared.errors import ConfigError, JobyardError
from jobyard.shared.home import protect
from jobyard.up.checks import choose_ports, sole_user
from jobyard.up.stack import web_url

MARK = "made-by-jobyard-demo"
LOG = "up.log"
TAIL_LINES = 30
START_SECONDS = 90.0
STOP_SECONDS = 12.0


class DemoFailed(JobyardError):
    """Something in the demo did not work."""


def make_folder(home: Path) -> None:
    """An empty folder; an earlier demo's is removed, anything else is left alone."""
    if home.exists():
        if not (home / MARK).exists():
            raise ConfigError(f"{home} exists and was not made by a demo: move it away")
        with sole_user(home):
            pass  # no server runs in it, as after KEEP=1
        shutil.rmtree(home)
    protect(home)
    (home / MARK).touch()


@contextmanager
def server(home: Path, *, keep: bool) -> Iterator[Settings]:
    """A stack that is up, by its settings; it is stopped at the end, unless it is to be kept."""
    # The user's own server is not touched, whatever the environment has.
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ |= {f"{PREFIX}HOME": str(home), f"{PREFIX}PORT": "0", f"{PREFIX}FLOWER_PORT": "0"}
    settings = choose_ports(Settings.load())
    ports = {f"{PREFIX}PORT": str(settings.port), f"{PREFIX}FLOWER_PORT": str(settings.flower_port)}
    with (home / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jobyard.cli", "up"],
            env=os.environ | ports,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops it in good order
        )
    keeping = False
    try:
        with working("starting a server for the demo …"):
            _wait_until_ready(settings, process)
        yield settings
        keeping = keep
    except Exception:
        click.echo(_tail(settings), err=True)
        raise
    finally:
        if keeping:
            click.echo(f"\nThe server is still running. Stop it with: kill {process.pid}")
        else:
            _stop(process)


def _wait_until_ready(settings: Settings, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False) as http:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if http.get(f"{web_url(settings)}/readyz").is_success:
                    return
            except httpx.TransportError:
                pass  # not yet
            time.sleep(0.2)
    raise DemoFailed("the server did not start; the end of its log is above")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(settings: Settings) -> str:
    """The log's last lines, without the token that the login link in it holds."""
    text = (settings.home / LOG).read_text(errors="replace").replace(settings.secret_token(), "…")
    return "\n".join(text.splitlines()[-TAIL_LINES:])

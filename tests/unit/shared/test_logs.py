"""A line of a log, and the lines that real processes write."""

import datetime
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobyard.shared.logs import STAMP, Formatter, stamp


def record(message: str) -> logging.LogRecord:
    made = logging.LogRecord("some.module", logging.WARNING, "file.py", 1, message, None, None)
    made.created = datetime.datetime(2026, 1, 31, 23, 59, 59, 42_000, tzinfo=datetime.UTC).timestamp()
    made.msecs = 42.0
    return made


def test_a_line_begins_with_its_moment_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert Formatter().format(record("hello")) == "2026-01-31T23:59:59.042Z WARNING some.module: hello"
    assert re.fullmatch(STAMP, stamp())


GUNICORN = ["-m", "gunicorn", "-c", "python:jobyard.web.gunicorn", "jobyard.web.app:create_app()"]
# What a worker's parent and its libraries write.
WORKER = """
import logging, warnings, billiard.util
from jobyard.workers.runtime.app import set_up_logging
set_up_logging("INFO")
warnings.warn("beware")
billiard.util.get_logger().error("a child ended")
logging.getLogger("celery.worker").info("hello")
"""


@pytest.mark.parametrize(
    "arguments",
    [["-m", "jobyard.shared.migrate"], [*GUNICORN, "--check-config"], ["-c", WORKER]],
    ids=["migrate", "web", "worker"],
)
def test_each_process_logs_like_this(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path))
    monkeypatch.setenv("JOBYARD_LOG_LEVEL", "DEBUG")
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # A message may have more lines, which are indented.
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith(" ")]
    assert all(re.match(rf"{STAMP} [A-Z]+ [\w.]+: ", line) for line in lines), done.stderr
    assert lines or arguments[1] == "gunicorn"

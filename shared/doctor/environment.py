"""The settings, and HOME."""

import difflib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from jobyard.shared.config import PREFIX, Settings
from jobyard.shared.doctor.findings import Finding, warning, well, wrong
from jobyard.shared.home import UMASK

TOPIC = "settings"


def check() -> Iterator[Finding]:
    """Names that no setting has, and wrong values."""
    known = [name.upper() for name in Settings.model_fields]
    given = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    for name in given:
        if name.upper().removeprefix(PREFIX) not in known:
            near = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, n=1)
            hint = f"is {PREFIX}{near[0]} meant?" if near else "docs/reference/settings.md lists all"
            yield warning(TOPIC, f"{name} is no setting, and has no effect", f"remove or correct it: {hint}")
    problems = Settings.problems()
    for problem in problems:
        yield wrong(TOPIC, problem, "correct the variable, or remove it for the default")
    if not problems:
        named = [name for name in given if name.upper().removeprefix(PREFIX) in known and os.environ[name]]
        yield well(TOPIC, f"{len(named)} set: {', '.join(named)}" if named else "all are at their defaults")


def check_home(settings: Settings) -> Iterator[Finding]:
    """Whether HOME is there, this user's alone, and can be written to."""
    home = settings.home
    try:
        found = home.stat()
    except OSError as error:
        yield wrong(
            "home",
            f"JOBYARD_HOME: {home} can't be read: {error.strerror}",
            "start the server once with `jobyard up`, or set JOBYARD_HOME as it has it",
        )
        return
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid():
        yield wrong(
            "home",
            f"{home} belongs to the user {found.st_uid}, and this is the user {os.geteuid()}",
            "type this as the server's user",
        )
    elif mode & UMASK:
        yield warning("home", f"others can read {home} (mode {mode:04o})", f"chmod 700 {home}")
    elif not os.access(home, os.W_OK | os.X_OK):
        yield wrong("home", f"{home} can't be written to", f"chmod u+rwx {home}")
    else:
        yield well("home", str(home))
    if settings.token is None:
        yield from _check_token(settings.home / "token")


def _check_token(path: Path) -> Iterator[Finding]:
    """The file that all who use the server know it by; the first start makes it."""
    try:
        mode, token = stat.S_IMODE(path.stat().st_mode), path.read_text().strip()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        yield wrong(
            "home", f"{path} can't be read: {reason}", f"type this as the server's user, or delete {path}"
        )
        return
    if not token:
        yield wrong("home", f"{path} is empty", f"delete {path}: the next start makes a new token")
    elif mode & UMASK:
        yield warning("home", f"others may read {path} (mode {mode:04o})", f"chmod 600 {path}")

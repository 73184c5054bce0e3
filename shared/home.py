"""HOME holds the database, the token and what was uploaded: nobody else on the machine may read it."""

import hashlib
import logging
import os
import secrets
import stat
import tempfile
from pathlib import Path

from jobyard.shared.errors import ConfigError

log = logging.getLogger(__name__)

# What this process and its children create is their user's, wherever it lies.
UMASK = 0o077
MODE = 0o700

# The longest path that a Unix socket may have (108 bytes on Linux, 104 on macOS), less the zero.
MAX_SOCKET_PATH = 103


def protect(home: Path) -> None:
    """Called by each process as it starts: set the umask, and make HOME a folder of this user alone.

    A folder that others can enter is tightened, with a line in the log; what is in it, whatever its mode,
    is then out of their reach. Raises ConfigError where it is another user's or can't be tightened.
    """
    os.umask(UMASK)
    try:
        home.mkdir(mode=MODE, parents=True, exist_ok=True)
        found = home.stat()
    except OSError:  # nothing of ours is in there, and what needs it will say so
        return
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"JOBYARD_HOME: {home} belongs to the user {found.st_uid}, and this process is of the user "
            f"{os.geteuid()}; should be a folder of its own, such as a new one in there"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & UMASK == 0:
        return
    try:
        home.chmod(mode & ~UMASK)
        is_private = stat.S_IMODE(home.stat().st_mode) & UMASK == 0
    except OSError:
        is_private = False
    if not is_private:
        raise ConfigError(
            f"JOBYARD_HOME: others can read {home} (mode {mode:04o}), and that can't be changed; "
            "should be a folder with mode 0700"
        )
    log.warning("JOBYARD_HOME: others could read %s (mode %04o); it is this user's alone now", home, mode)


def token_in(home: Path) -> str:
    """The API's token in HOME/token (mode 0600), which is made if there is none yet.

    Raises ConfigError if HOME can't be written to.
    """
    path = home / "token"
    try:
        home.mkdir(mode=MODE, parents=True, exist_ok=True)
        # Written aside and linked into place, so that of two processes starting at once one
        # makes the token and both read it whole.
        draft = path.with_name(f".token-{os.getpid()}")
        draft.touch(mode=0o600, exist_ok=True)
        draft.write_text(secrets.token_urlsafe(32) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        token = path.read_text().strip()
        if not token:
            raise ConfigError(f"{path} is empty: delete it, and the next start creates a new token")
        return token
    except OSError as error:
        raise ConfigError(
            f"JOBYARD_HOME: can't write the token to {path}: {error.strerror or error}"
        ) from None


def redis_socket_in(home: Path) -> Path:
    """The embedded Redis' Unix socket: in HOME, or where its path would be too long, in a folder of /tmp.

    Redis' starter creates that folder, readable by its user alone.
    """
    path = home / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"jobyard-{os.getuid()}-{digest}" / path.name

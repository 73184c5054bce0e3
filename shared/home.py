"""HOME holds the database, the token and what was uploaded: nobody else on the machine may read it."""

import logging
import os
import stat
from pathlib import Path

from jobyard.shared.errors import ConfigError

log = logging.getLogger(__name__)

# What this process and its children create is their user's, wherever it lies.
UMASK = 0o077
MODE = 0o700


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

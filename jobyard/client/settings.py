"""The settings of the environment that say which server a client talks to, and by which token.

The server's own settings are `jobyard.shared.config`, which a client alone does not have installed. What both
read, they read in the same way.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobyard.client.errors import ConfigError
from jobyard.hosts import host_and_port, reachable, unbracketed

PREFIX = "JOBYARD_"
NAMES = ("HOME", "URL", "TOKEN", "HOST", "PORT")
DEFAULT_HOME = "~/.jobyard"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8642
MAX_PORT = 65535
# As pydantic reads one.
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+(_[0-9]+)*(\.0*)?")
MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True)
class ClientSettings:
    """JOBYARD_HOME, _URL, _TOKEN, _HOST, _PORT and _PROFILE, defaults filled in."""

    home: Path
    url: str | None
    token: str | None = field(repr=False)
    host: str
    port: int
    profile: str | None
    # Whether any but the profile is set.
    is_any_set: bool

    @classmethod
    def load(cls) -> "ClientSettings":
        """Read the environment. Raises ConfigError that names the first wrong variable."""
        # Names in any case, and an empty variable is one that is not set: as the server has it.
        given = {name.upper(): value for name, value in os.environ.items() if value}
        return cls(
            home=_home(given.get(f"{PREFIX}HOME", DEFAULT_HOME)),
            url=given.get(f"{PREFIX}URL"),
            host=unbracketed(given.get(f"{PREFIX}HOST", DEFAULT_HOST)),
            port=_port(given),
            token=_token(given),
            profile=given.get(f"{PREFIX}PROFILE"),
            is_any_set=any(f"{PREFIX}{name}" in given for name in NAMES),
        )

    def find_token(self) -> str | None:
        """JOBYARD_TOKEN, or what HOME/token holds; None if there is neither."""
        if self.token is not None:
            return self.token
        try:
            return (self.home / "token").read_text().strip() or None
        except OSError:
            return None

    def find_url(self) -> str:
        """The server's address: JOBYARD_URL, or where `jobyard up` listens on this machine.

        Raises ConfigError if neither is known.
        """
        if self.url:
            return self.url.rstrip("/")
        try:
            return (self.home / "url").read_text().strip()
        except OSError:
            if self.port == 0:
                raise ConfigError(
                    f"JOBYARD_HOME: no server runs in {self.home}: start `jobyard up`, or set JOBYARD_URL"
                ) from None
            return f"http://{host_and_port(reachable(self.host), self.port)}"


def _home(given: str) -> Path:
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:
        raise ConfigError(
            f"{PREFIX}HOME: should be a folder; the user after ~ has no home folder, but is {given!r}"
        ) from None


def _port(given: Mapping[str, str]) -> int:
    text = given.get(f"{PREFIX}PORT", str(DEFAULT_PORT))
    if not WHOLE_NUMBER.fullmatch(text.strip()):
        problem = "input should be a valid integer, unable to parse string as an integer"
    elif (port := int(text.partition(".")[0])) < 0:
        problem = "input should be greater than or equal to 0"
    elif port > MAX_PORT:
        problem = f"input should be less than or equal to {MAX_PORT}"
    else:
        return port
    raise ConfigError(f"{PREFIX}PORT: {problem}, but is {text!r}")


def _token(given: Mapping[str, str]) -> str | None:
    token = given.get(f"{PREFIX}TOKEN")
    if token is not None and len(token) < MIN_TOKEN_CHARACTERS:
        raise ConfigError(f"{PREFIX}TOKEN: should have at least {MIN_TOKEN_CHARACTERS} characters")
    return token

"""The servers of a user, by name: `[profiles.lab]` in config.toml, with a `url` and a `token`."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobyard.client.errors import ConfigError
from jobyard.client.suggestions import instead
from jobyard.client.types import kind_of

TOP = ("default", "profiles")
# Others must not read a file that holds a token.
OTHERS = 0o077


@dataclass(frozen=True)
class Profile:
    """A server. Without a token of its own, that of the environment is sent to it."""

    name: str
    url: str
    token: str | None = field(repr=False)


@dataclass(frozen=True)
class Profiles:
    """What is in the file; nothing where there is none."""

    path: Path
    default: str | None
    named: dict[str, Profile]

    @classmethod
    def load(cls) -> "Profiles":
        """Read the file. Raises ConfigError that names what is wrong in it; no message holds a token."""
        path = config_file()
        try:
            with path.open("rb") as file:
                import tomllib  # most users have no such file

                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                found = tomllib.load(file)
        except (FileNotFoundError, NotADirectoryError):
            return cls(path, None, {})
        except OSError as error:
            raise ConfigError(f"{path} can't be read: {error.strerror or error}") from None
        except ValueError as error:
            where = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"is no TOML: {error}"
            raise ConfigError(f"{path} {where}") from None
        except RecursionError:
            raise ConfigError(f"{path} is no TOML: it is nested too deep") from None
        _check_names(path, "", found, TOP)
        default, tables = found.get("default"), found.get("profiles", {})
        if not isinstance(tables, dict):
            raise ConfigError(f"{path}: profiles: should be tables, as [profiles.lab]")
        named = {name: _profile(path, name, table) for name, table in tables.items()}
        if os.name == "posix" and mode & OTHERS and any(one.token for one in named.values()):
            raise ConfigError(
                f"{path}: others can read it (mode {mode:04o}), and it holds a token: chmod 600 {path}"
            )
        if default is not None:
            if not isinstance(default, str):
                raise ConfigError(f"{path}: default: should be the name of a profile")
            if default not in named:
                raise ConfigError(
                    f"{path}: default: there is no profile {default!r}; {_meant(default, named)}"
                )
        return cls(path, default, named)

    def find(self, name: object) -> Profile:
        """A profile by its name. Raises ConfigError that says what there is instead."""
        if not isinstance(name, str):
            raise ConfigError(f"profile: should be a name, but is {kind_of(name)}")
        if name in self.named:
            return self.named[name]
        raise ConfigError(f"profile: there is no {name!r} in {self.path}; {_meant(name, self.named)}")


def config_file() -> Path:
    """~/.config/jobyard/config.toml, or where XDG_CONFIG_HOME says."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        # A relative one is not to be used, says the standard.
        base = Path(folder) if Path(folder).is_absolute() else Path("~/.config").expanduser()
    except RuntimeError:
        raise ConfigError("HOME: is not set, and this user has no home folder") from None
    return base / "jobyard" / "config.toml"


def _profile(path: Path, name: str, table: Any) -> Profile:
    where = f"profiles.{name}"
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {where}: should be a table, as [{where}]")
    _check_names(path, f"{where}.", table, ("url", "token"))
    for key in ("url", "token"):
        if not isinstance(table.get(key, ""), str):
            raise ConfigError(f'{path}: {where}.{key}: should be a text, as {key} = "…"')
    if not table.get("url"):
        raise ConfigError(f'{path}: {where}.url: is missing; should be like "http://127.0.0.1:8642"')
    return Profile(name, table["url"].rstrip("/"), table.get("token") or None)


def _check_names(path: Path, within: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{path}: {within}{key}: there is no such name; {instead(key, known)}")


def _meant(name: str, named: dict[str, Profile]) -> str:
    return instead(name, named) if named else f"add [profiles.{name}] with url and token"

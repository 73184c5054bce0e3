"""Which server a client talks to, and by which token."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from jobyard.client.errors import ConfigError
from jobyard.client.profiles import Profile, Profiles, config_file
from jobyard.client.settings import ClientSettings
from jobyard.hosts import is_this_machine


@dataclass(frozen=True)
class Server:
    """An address and a token, and who said so: the arguments, the environment, a profile or HOME."""

    url: str
    token: str = field(repr=False)
    profile: Profile | None = None


def find(url: str | None = None, token: str | None = None, profile: str | None = None) -> Server:
    """The server that is given; what is left out is looked for.

    The first of these has it: the profile that is named here, or by JOBYARD_PROFILE; the environment, if
    JOBYARD_URL, JOBYARD_TOKEN, JOBYARD_HOME, JOBYARD_HOST or JOBYARD_PORT is set; the default profile; the
    server of this machine, by the files in ~/.jobyard. An address without a token is sent JOBYARD_TOKEN, or
    that of this machine's server if it is on this machine; never a profile's, which is another server's.

    Raises ConfigError.
    """
    if url is not None:
        if profile is not None:
            raise ConfigError("profile: is given beside url; give one of them")
        return Server(url, _token_for(ClientSettings.load(), url, None) if token is None else token)
    settings = ClientSettings.load()
    chosen = _chosen(settings, profile)
    if chosen is None:
        return Server(settings.find_url(), _token(settings) if token is None else token)
    if token is None:
        token = chosen.token or _token_for(settings, chosen.url, chosen)
    return Server(chosen.url, token, chosen)


def _chosen(settings: ClientSettings, name: str | None) -> Profile | None:
    name = settings.profile if name is None else name
    if name is not None:
        return Profiles.load().find(name)
    if settings.is_any_set:
        return None
    profiles = Profiles.load()
    return None if profiles.default is None else profiles.find(profiles.default)


def _token_for(settings: ClientSettings, url: str, profile: Profile | None) -> str:
    """The token of the environment for a server that came without one."""
    if settings.token is not None:
        return settings.token
    if _is_here(url) and (found := settings.find_token()) is not None:
        return found
    where = "token" if profile is None else f"profiles.{profile.name}.token in {config_file()}"
    raise ConfigError(f"{where}: none is given for this server; give it, or set JOBYARD_TOKEN")


def _token(settings: ClientSettings) -> str:
    if (token := settings.find_token()) is not None:
        return token
    raise ConfigError(
        f"JOBYARD_TOKEN: no token is set, and there is none in {settings.home / 'token'}; "
        "start a server with `jobyard up`, or set JOBYARD_URL and JOBYARD_TOKEN for a remote one"
    )


def _is_here(url: object) -> bool:
    try:
        return isinstance(url, str) and is_this_machine(urlsplit(url).hostname or "")
    except ValueError:
        return False

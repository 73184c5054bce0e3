"""How the values of settings are written in the environment, and checked. What is wrong raises ValueError."""

import math
import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from jobyard.hosts import unbracketed
from jobyard.shared.service_url import BrokerUrl, ServiceUrl
from jobyard.shared.source_rules import Host, parse_bucket
from jobyard.shared.webhooks.destinations import parse_network


def _absolute(home: Path) -> Path:
    try:
        return home.expanduser().absolute()
    except RuntimeError:
        raise ValueError("should be a folder; the user after ~ has no home folder") from None


def _host(host: str) -> str:
    """An IPv6 address may stand in brackets, as in a URL; a zone (`%eth0`) has no place in one."""
    if "%" in host:
        raise ValueError("should be an address without a zone")
    return unbracketed(host)


def _database(url: str) -> str:
    """PostgreSQL is always reached through psycopg 3, whichever way its address is written."""
    for scheme in ("postgres://", "postgresql://"):
        if url.startswith(scheme):
            url = "postgresql+psycopg://" + url.removeprefix(scheme)
    if url.startswith("postgresql+psycopg://"):
        return str(ServiceUrl.parse(url))
    if url and not url.startswith("sqlite:///"):
        raise ValueError("should start with postgresql:// or sqlite:///")
    return url


def _broker(url: str) -> str:
    if url:
        BrokerUrl.parse(url)
    return url


def _long_enough(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < 16:
        raise ValueError("should have at least 16 characters")
    return token


def _weights(backbone: Path) -> Path:
    if not backbone.is_absolute() or not backbone.name.endswith(".weights.h5"):
        raise ValueError("should be an absolute path of a file that ends in .weights.h5")
    return backbone


Home = Annotated[Path, AfterValidator(_absolute)]
ListeningHost = Annotated[str, AfterValidator(_host)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
OptionalBrokerUrl = Annotated[str, AfterValidator(_broker)]
Token = Annotated[SecretStr, AfterValidator(_long_enough)]
Weights = Annotated[Path, AfterValidator(_weights)]


# ---- lists


def _folders(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        folders = tuple(Path(name).expanduser() for name in given.split(os.pathsep) if name)
    except RuntimeError:
        raise ValueError("should be folders; the user after ~ has no home folder") from None
    if not all(folder.is_absolute() for folder in folders):
        raise ValueError(f"should be absolute paths of folders, separated by {os.pathsep!r}")
    return folders


def _entries(given: object) -> tuple[str, ...]:
    """What is separated by commas."""
    entries = given.split(",") if isinstance(given, str) else given if isinstance(given, list | tuple) else ()
    return tuple(entry.strip() for entry in entries if entry.strip())


def _hosts(given: object) -> object:
    entries = _entries(given)
    for entry in entries:
        Host.parse(entry)
    return entries


def _buckets(given: object) -> object:
    return tuple(map(parse_bucket, _entries(given)))


def _networks(given: object) -> object:
    return tuple(map(parse_network, _entries(given)))


def seconds_of(entry: str) -> tuple[str, float]:
    """A kind and its seconds; the kind is "" where none is given."""
    kind, _, seconds = entry.rpartition("=")
    try:
        value = float(seconds)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise ValueError("should be seconds for all kinds, or KIND=SECONDS separated by commas")
    return kind.strip(), value


def _seconds_by_kind(given: object) -> object:
    entries = _entries(given)
    for entry in entries:
        seconds_of(entry)
    return entries


Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)]
Buckets = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_buckets)]
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_networks)]
SecondsByKind = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_seconds_by_kind)]

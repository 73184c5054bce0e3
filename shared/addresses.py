"""Addresses of files outside of Jobyard: `https://host/path` and `s3://bucket/key`.

The query of an address may be a signature, which is a secret: `shown` is without it, and so is every message.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from jobyard.hosts import bracketed, host_and_port
from jobyard.shared.file_names import file_name

MAX_CHARACTERS: Final = 8_192
MAX_KEY_BYTES: Final = 1_024
PORTS: Final = {"https": 443, "http": 80}
IS: Final = "an https:// or s3:// address"

# How a host may be called: names in ASCII, as the domain name system has them.
HOST: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# What may stand in an address: no spaces, no controls, and no backslash, which some take for a slash.
_WRITTEN: Final = re.compile(r"[!-\[\]-~]+")


@dataclass(frozen=True)
class Address:
    """One file. `host` is the bucket's name and `path` the key where the scheme is s3."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def shown(self) -> str:
        """For people, results and logs: without the query."""
        if self.scheme == "s3":
            return f"s3://{self.host}/{self.path}"
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def whole(self) -> str:
        """With the query."""
        return f"{self.shown}?{self.query}" if self.query else self.shown

    @property
    def target(self) -> str:
        """What a request asks the host for."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def netloc(self) -> str:
        """The host, and the port if it isn't the usual one."""
        is_usual = self.port == PORTS.get(self.scheme)
        return bracketed(self.host) if is_usual else host_and_port(self.host, self.port)

    @property
    def name(self) -> str:
        """The name of the file: the last part of the path, or else the host's."""
        path = self.path if self.scheme == "s3" else unquote(self.path, errors="replace")
        return file_name(path.rstrip("/").rpartition("/")[2] or self.host)


def parse(written: str) -> Address:
    """Raises ValueError with what would be right; it has nothing of the query."""
    if len(written) > MAX_CHARACTERS:
        raise ValueError(f"should be an address of at most {MAX_CHARACTERS:,} characters")
    scheme = written.partition("://")[0].lower()
    if scheme == "s3":
        return _object(written[len("s3://") :])
    if scheme not in PORTS or "://" not in written:
        raise ValueError(f"should be {IS}")
    return _on_the_web(scheme, written)


def _object(written: str) -> Address:
    bucket, _, key = written.partition("/")
    if not BUCKET.fullmatch(bucket) or ".." in bucket:
        raise ValueError(
            "should be s3://bucket/key, with the name of a bucket: small letters, digits, . and -"
        )
    if not key or key.endswith("/"):
        raise ValueError("should be s3://bucket/key, with the key of one object")
    if len(key.encode(errors="replace")) > MAX_KEY_BYTES or not key.isprintable():
        raise ValueError(f"should have a key of at most {MAX_KEY_BYTES:,} bytes without control characters")
    # What is between the workers and the bucket may take these for folders, and the next name for a bucket.
    if {".", ".."} & set(key.split("/")):
        raise ValueError("should have a key without . and .. as folders")
    return Address("s3", bucket, 0, key)


def _on_the_web(scheme: str, written: str) -> Address:
    if not _WRITTEN.fullmatch(written):
        raise ValueError("should be an address without spaces and with letters of ASCII only; %20 is a space")
    try:
        parts = urlsplit(written)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("should be an address with a host and a port that there can be") from None
    if "@" in parts.netloc:
        raise ValueError(
            "should have no user and no password in it: what is secret may stand in the query only"
        )
    if port == 0:
        raise ValueError("should be an address with a host and a port that there can be")
    return Address(scheme, host_of(host), port or PORTS[scheme], parts.path or "/", parts.query)


def host_of(written: str) -> str:
    """A host's name in small letters, or an IP address in its shortest form. Raises ValueError."""
    host = written.lower()
    try:
        if "%" in host:  # the zone of an IPv6 address is this machine's own business
            raise ValueError
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    # 127.1, 0x7f.1 and 2130706433 are IP addresses to some programs.
    last = host.rpartition(".")[2]
    if not HOST.fullmatch(host) or last.isdecimal() or last.startswith("0x"):
        raise ValueError("should be an address with the name of a host, such as data.example.org")
    return host

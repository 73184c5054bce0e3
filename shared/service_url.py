"""The addresses of database and broker as people write them, and as SQLAlchemy and kombu need them.

User and password stand raw in an address more often than percent-encoded. What has one meaning is understood;
what could mean another host is refused, so that no password is sent to one, or looked up as one.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

# What RFC 3986 allows in user and password, and what is percent-encoded already.
_RAW = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,=:%-]")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._%-]*)(?::(\d{0,5}))?")

ENCODE = "in user and password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"

BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps")
CLUSTER = (
    "Redis Cluster is not supported: give the address of one Redis or Valkey server, or of Sentinel "
    "(sentinel://HOST:26379/0?master_name=NAME)"
)
SENTINEL_OPTIONS = ("master_name", "sentinel_username", "sentinel_password")
CERTIFICATES = ("none", "optional", "required")


@dataclass(frozen=True)
class ServiceUrl:
    """An address in its parts, user and password percent-encoded."""

    scheme: str
    credentials: str
    host: str
    rest: str

    @classmethod
    def parse(cls, url: str) -> "ServiceUrl":
        """Raises ValueError, which never shows what was given."""
        scheme, _, schemeless = url.partition("://")
        authority = re.split(r"[/?#]", schemeless, maxsplit=1)[0]
        rest = schemeless.removeprefix(authority)
        if "@" in rest:
            raise ValueError(f"has an @ after the host: {ENCODE}, and @ as %40 elsewhere, too")
        credentials, at, host = authority.rpartition("@")
        match = _HOST.fullmatch(host)
        if match is None or int(match[2] or 0) > 65535:
            raise ValueError(f"should be of the form {scheme}://USER:PASSWORD@HOST:PORT/NAME; {ENCODE}")
        return cls(scheme, _RAW.sub(lambda raw: quote(raw[0], safe=""), credentials) + at, host, rest)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.credentials}{self.host}{self.rest}"

    @property
    def path(self) -> str:
        return self.rest.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.rest.partition("?")[2], keep_blank_values=True))

    def with_query(self, query: dict[str, str]) -> "ServiceUrl":
        rest = self.path + (f"?{urlencode(query)}" if query else "")
        return ServiceUrl(self.scheme, self.credentials, self.host, rest)


@dataclass(frozen=True)
class Sentinel:
    """What is asked of Redis Sentinel, and how a client logs in to it."""

    primary: str
    login: dict[str, str]


@dataclass(frozen=True)
class BrokerUrl:
    """A broker's address as kombu takes it: several are separated by semicolons, and tried in turn."""

    url: str
    sentinel: "Sentinel | None" = None
    # For `amqps`: what py-amqp wraps its socket with.
    ssl: dict[str, Any] | None = None

    @classmethod
    def parse(cls, given: str) -> "BrokerUrl":
        """Raises ValueError, which never shows what was given."""
        if re.match(r"(redis|rediss|valkey)\+?[-_]?cluster", given):
            raise ValueError(CLUSTER)
        if not given.startswith(tuple(f"{scheme}://" for scheme in BROKER_SCHEMES)):
            schemes = ", ".join(f"{scheme}://" for scheme in BROKER_SCHEMES[:-1])
            raise ValueError(f"should start with {schemes} or {BROKER_SCHEMES[-1]}://")
        if given.startswith("redis+socket://"):
            return cls(given)
        urls = [ServiceUrl.parse(url) for url in re.split(r";(?=[a-z+]+://)", given)]
        if len({url.scheme for url in urls}) > 1:
            raise ValueError("should have several addresses of the same scheme only")
        match urls[0].scheme:
            case "sentinel":
                return cls._sentinel(urls)
            case "rediss":
                urls = [_verifying(url) for url in urls]
            case "amqps":
                return cls._amqps(urls)
        return cls(";".join(map(str, urls)))

    @classmethod
    def _sentinel(cls, urls: list[ServiceUrl]) -> "BrokerUrl":
        """All sentinels, with the credentials and the database of one; its options are kombu's."""
        options = {name: value for url in urls for name, value in url.query.items()}
        if unknown := sorted(options.keys() - set(SENTINEL_OPTIONS)):
            known = ", ".join(SENTINEL_OPTIONS)
            raise ValueError(f"has an unknown option {unknown[0]!r}; sentinel:// takes {known}")
        if not options.get("master_name"):
            raise ValueError(
                "should name the primary that Sentinel watches: sentinel://HOST:26379/0?master_name=NAME"
            )
        credentials = next((url.credentials for url in urls if url.credentials), "")
        path = next((url.path for url in urls if url.path), "")
        sentinels = ";".join(f"sentinel://{credentials}{url.host}{path}" for url in urls)
        login = {
            name.removeprefix("sentinel_"): options[name] for name in SENTINEL_OPTIONS[1:] if name in options
        }
        return cls(sentinels, Sentinel(options["master_name"], login))

    @classmethod
    def _amqps(cls, urls: list[ServiceUrl]) -> "BrokerUrl":
        if len(urls) > 1:  # kombu checks the certificates of all against the first one's name
            raise ValueError("should have one address where it is amqps://, such as a load balancer's")
        query = _verifying(urls[0]).query
        ssl: dict[str, Any] = {
            name.removeprefix("ssl_"): query.pop(name) for name in list(query) if name.startswith("ssl_")
        }
        ssl["cert_reqs"] = CERTIFICATES.index(ssl["cert_reqs"])  # as the module ssl numbers them
        if ssl.pop("check_hostname", "true").lower() != "false" and ssl["cert_reqs"]:
            ssl["server_hostname"] = None  # kombu puts in the host
        return cls(str(urls[0].with_query(query)), ssl=ssl)


def _verifying(url: ServiceUrl) -> ServiceUrl:
    """With the server's certificate required unless the address says otherwise."""
    query = {"ssl_cert_reqs": "required"} | url.query
    given = query["ssl_cert_reqs"].lower().removeprefix("cert_")
    if given not in CERTIFICATES:
        raise ValueError("should have ssl_cert_reqs=required, optional or none")
    return url.with_query(query | {"ssl_cert_reqs": given})

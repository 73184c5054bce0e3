"""The Python client. It talks HTTP and imports nothing of the server.

`_async` is its source; `make client` writes `_sync`, the same without `await`, from it. What asks no server
lies beside them, once for both.
"""

import importlib
from typing import TYPE_CHECKING

from jobyard.client.errors import (
    BadRequest,
    ConfigError,
    Conflict,
    ConnectionFailed,
    JobFailed,
    JobyardClientError,
    NotFound,
    Refused,
    ServerError,
    WaitTimeout,
)

if TYPE_CHECKING:
    from jobyard.client._async.client import AsyncClient
    from jobyard.client._async.job import AsyncJob
    from jobyard.client._sync.client import Client
    from jobyard.client._sync.job import Job

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "BadRequest",
    "Client",
    "ConfigError",
    "Conflict",
    "ConnectionFailed",
    "Job",
    "JobFailed",
    "JobyardClientError",
    "NotFound",
    "Refused",
    "ServerError",
    "WaitTimeout",
]

# Loaded when they are first used: few programs need both clients, and what is beside them needs no HTTP.
_LATER = {
    "AsyncClient": "jobyard.client._async.client",
    "AsyncJob": "jobyard.client._async.job",
    "Client": "jobyard.client._sync.client",
    "Job": "jobyard.client._sync.job",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

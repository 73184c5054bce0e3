"""Jobyard's Python client: `from jobyard import Client`, or `AsyncClient`.

The names are loaded when they are first used: the server's processes are below this package too, and
need no HTTP client.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobyard.client import (
        AsyncClient,
        AsyncJob,
        BadRequest,
        Client,
        ConfigError,
        Conflict,
        ConnectionFailed,
        Job,
        JobFailed,
        JobyardClientError,
        NotFound,
        Refused,
        ServerError,
        WaitTimeout,
    )

__version__ = "0.1.0"

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


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(importlib.import_module("jobyard.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

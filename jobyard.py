"""Jobyard's Python client: `from jobyard import Client`."""

from web.client import (
    BadRequest,
    Client,
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

__all__ = [
    "BadRequest",
    "Client",
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

"""The Python client. It talks HTTP and imports nothing of the server."""

from web.client.client import Client
from web.client.errors import (
    BadRequest,
    Conflict,
    ConnectionFailed,
    JobyardClientError,
    NotFound,
    Refused,
    ServerError,
)
from web.client.job import Job, JobFailed, WaitTimeout

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

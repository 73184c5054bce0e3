"""The Python client. It talks HTTP and imports nothing of the server."""

from jobyard.client.client import Client
from jobyard.client.errors import (
    BadRequest,
    Conflict,
    ConnectionFailed,
    JobyardClientError,
    NotFound,
    Refused,
    ServerError,
)
from jobyard.client.job import Job, JobFailed, WaitTimeout

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

"""The file systems of fsspec, set to notice an outage soon and to remember nothing that may change."""

import socket
from functools import partial
from typing import Any, Final

import fsspec

S3: Final = {"s3", "s3a"}
# Where folders need not be made: a bucket that is missing is a wrong name, and not to be made.
WITHOUT_FOLDERS: Final = S3 | {"gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci"}

# Seconds until a connection is there, and between two bytes of an answer; and how often in all is asked.
HURRIED: Final = {"connect_timeout": 1.5, "read_timeout": 3.0, "attempts": 1}
PATIENT: Final = {"connect_timeout": 5.0, "read_timeout": 15.0, "attempts": 3}
# What is read ahead, and of how much a large object's parts are: held in memory for each open file.
BLOCK_BYTES: Final = 8 << 20


def file_system(url: str, *, patient: bool) -> tuple[Any, str]:
    """The file system of an address and the path in it. Raises ImportError and ValueError.

    `patient`: for who can wait; others get an error within 5 s. On S3, FSSPEC_S3_CONFIG_KWARGS overrules it.
    """
    protocol = fsspec.core.split_protocol(url)[0]
    options = _s3_options(patient=patient) if protocol in S3 else {}
    found, root = fsspec.core.url_to_fs(url, **options)
    if protocol in S3:
        found.retries = (PATIENT if patient else HURRIED)["attempts"]
    # A listing would be answered from memory, however old it is by then.
    found.dircache.use_listings_cache = False
    return found, root


def _s3_options(*, patient: bool) -> dict[str, Any]:
    """Raises ImportError where s3fs is not installed."""
    import aiobotocore.session
    from botocore.handlers import add_expect_header

    limits = PATIENT if patient else HURRIED
    own = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
    # aiohttp would wait for `100 Continue` without an end.
    session = aiobotocore.session.AioSession()
    session.unregister("before-call.s3", add_expect_header)
    config = {
        "connect_timeout": limits["connect_timeout"],
        "read_timeout": limits["read_timeout"],
        # s3fs tries again by itself, also where a connection breaks within an answer.
        "retries": {"mode": "standard", "total_max_attempts": 1},
        "connector_args": {"socket_factory": partial(_socket, limits["read_timeout"])},
    }
    return {
        "config_kwargs": config | own,
        "default_block_size": BLOCK_BYTES,
        "session": session,
        "skip_instance_cache": True,  # of fsspec, whose instances keep the environment of the first
    }


def _socket(seconds: float, address: Any) -> socket.socket:
    """For aiohttp, which limits no sending: the system ends a connection that takes no more bytes."""
    made = socket.socket(*address[:3])
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1_000))
    return made

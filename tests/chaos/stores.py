"""Where the files of the stack lie, a folder or a bucket, as the test sees it: past the product."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.buckets import ENVIRONMENT
from tests.chaos.keys import present

BUCKET = "jobyard"
READ_TRIES = 3


class Store(Protocol):
    """What the test asks of it."""

    url: str
    # What the product's processes need to find it.
    environment: dict[str, str]
    # The server that is to be started, if it has one.
    command: list[str] | None
    # How often all keys may be listed.
    look_seconds: float

    def prepare(self) -> bool:
        """Whether it can be used now."""
        ...

    def present(self) -> set[str]:
        """The keys that are there. Raises OSError if that can't be found out now."""
        ...

    def note(self, name: str) -> bytes:
        """What is kept at its root under this name."""
        ...

    def copy(self) -> Path:
        """A folder with all that it holds now."""
        ...


class Folder:
    """A folder of this machine."""

    look_seconds = 0.25
    command = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = folder.as_uri()
        self.environment: dict[str, str] = {}

    def prepare(self) -> bool:
        return True

    def present(self) -> set[str]:
        return present(self.folder)

    def note(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def copy(self) -> Path:
        return self.folder

    def age(self) -> None:
        """As if all had been written long ago, so that no sweeper spares what is young."""
        for key in self.present():
            with contextlib.suppress(FileNotFoundError):  # it was deleted at this moment
                os.utime(self.folder / key, (0, 0))


class Bucket:
    """A bucket of a server of S3's protocol, which is a process of its own: see `tests.chaos.bucket`."""

    look_seconds = 1.0

    def __init__(self, port: int, copies: Path) -> None:
        self.url = f"s3://{BUCKET}"
        self.endpoint = f"http://127.0.0.1:{port}"
        self.environment = {**ENVIRONMENT, "AWS_ENDPOINT_URL_S3": self.endpoint}
        self.command = [sys.executable, "-m", "tests.chaos.bucket", str(port)]
        self._copies = copies
        self._client = _client(self.endpoint)

    def prepare(self) -> bool:
        try:
            with _as_os_errors():
                self._client.create_bucket(Bucket=BUCKET)
        except OSError:
            return False
        return True

    def present(self) -> set[str]:
        return {key for key in self._keys() if "/" in key}

    def note(self, name: str) -> bytes:
        return self._read(name)

    def copy(self) -> Path:
        for key in self._keys():
            path = self._copies / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._read(key))
        return self._copies

    def _keys(self) -> set[str]:
        with _as_os_errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
            return {one["Key"] for page in pages for one in page.get("Contents", ())}

    def _read(self, key: str) -> bytes:
        # moto answers 500 where an object is replaced while it is read.
        for _ in range(READ_TRIES - 1):
            with contextlib.suppress(OSError):
                return self._get(key)
        return self._get(key)

    def _get(self, key: str) -> bytes:
        with _as_os_errors():
            content: bytes = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            return content


def _client(endpoint: str) -> Any:
    session = botocore.session.get_session()
    return session.create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=ENVIRONMENT["AWS_DEFAULT_REGION"],
        aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        config=Config(connect_timeout=2, read_timeout=30, retries={"total_max_attempts": 1}),
    )


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise OSError(str(error)) from error

"""Objects of s3:// addresses, with this machine's own credentials, or without any where it has none.

Where S3 is (`AWS_ENDPOINT_URL`) and who asks is what botocore finds in the worker's environment: nothing of
that comes from a job.
"""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from jobyard.shared.addresses import Address
from jobyard.shared.errors import WorkError
from jobyard.shared.source_rules import SourceRules
from jobyard.workers.fetching.connections import CONNECT_SECONDS, IDLE_SECONDS
from jobyard.workers.fetching.https import GRACE_SECONDS, LEAST_BYTES, MOST_SECONDS
from jobyard.workers.fetching.stream import Incoming, Reads, Unreachable
from jobyard.workers.fetching.wire import Pace
from jobyard.workers.runtime.progress import Progress

# Read at once, so that a job which is to stop needn't wait long.
PIECE_BYTES: Final = 1 << 16
# How often botocore asks before it gives up.
ATTEMPTS = 3
MISSING: Final = {"NoSuchKey", "NoSuchBucket", "404", "NotFound"}
REFUSED: Final = {
    "AccessDenied",
    "AllAccessDisabled",
    "403",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
}


class _Paced:
    def __init__(self, body: Reads, pace: Pace) -> None:
        self._body = body
        self._pace = pace

    def read(self, size: int, /) -> bytes:
        self._pace.check()
        data = self._body.read(min(size, PIECE_BYTES) if size >= 0 else PIECE_BYTES)
        self._pace.take(len(data))
        return data


@contextmanager
def opened(address: Address, rules: SourceRules, progress: Progress) -> Iterator[Incoming]:
    """The object at an address. Raises WorkError that says why there is none, and Unreachable."""
    from botocore.exceptions import BotoCoreError, HTTPClientError

    rules.check(address)
    pace = Pace(progress, idle=IDLE_SECONDS, most=MOST_SECONDS, grace=GRACE_SECONDS, least=LEAST_BYTES)
    found = _object(address)
    with closing(found["Body"]) as body:
        yield Incoming(
            body=_Paced(body, pace),
            size=found.get("ContentLength"),
            etag=found.get("ETag"),
            last_modified=str(found["LastModified"]) if "LastModified" in found else None,
            progress=progress,
            understood=_cut,
            errors=(BotoCoreError, HTTPClientError, OSError),
        )


def _object(address: Address) -> dict[str, Any]:
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # At DEBUG it logs each request with what it is signed with.
    logging.getLogger("botocore").setLevel(logging.INFO)
    try:
        session = botocore.session.get_session()
        has_credentials = session.get_credentials() is not None
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=IDLE_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            proxies={},
            signature_version=None if has_credentials else UNSIGNED,
        )
        region = session.get_config_variable("region") or "us-east-1"
        client = session.create_client("s3", region_name=region, config=config)
        found: dict[str, Any] = client.get_object(Bucket=address.host, Key=address.path)
    except ClientError as error:
        raise refused(address, error.response, has_credentials=has_credentials) from None
    except BotoCoreError as error:
        raise Unreachable(f"S3 can't be reached ({type(error).__name__})") from None
    return found


def refused(address: Address, answer: dict[str, Any], *, has_credentials: bool) -> WorkError:
    """What S3's error means for whoever asked."""
    code = str(answer.get("Error", {}).get("Code", ""))
    if code == "NoSuchBucket":
        return WorkError(f"there is no bucket {address.host}")
    if code in MISSING:
        return WorkError(f"there is no such object in the bucket {address.host}")
    if code in REFUSED and has_credentials:
        return WorkError(f"the workers' credentials don't allow it ({code}); they need s3:GetObject")
    if code in REFUSED:
        return WorkError(f"it is not open to all ({code}), and this worker has no credentials of AWS")
    if code == "InvalidObjectState":
        return WorkError("the object is archived; restore it first")
    return WorkError(f"S3 answers with {code or 'an error'}")


def _cut(_: Exception) -> Exception:
    return Unreachable("the connection was cut before the whole object was there")

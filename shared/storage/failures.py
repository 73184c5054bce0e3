"""Whatever a back end of fsspec raises, as one of few errors.

StorageAway: it may pass by itself. StorageRefused: somebody has to set something right. DiskFull: it has no
room. NotFound: it has nothing under that key.
"""

import errno
from collections.abc import Iterator
from typing import Any, Final

from jobyard.shared.disk import is_full
from jobyard.shared.errors import DiskFull, JobyardError, NotFound, StorageAway, StorageFailed, StorageRefused

SETTING: Final = "JOBYARD_STORAGE_URL"
# What a system says of a folder that is another's, read-only, or none.
NOT_OURS: Final = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
# Of answers that a server refuses with: these are about the moment, and not about who asks for what.
PASSING: Final = {408, 409, 412, 416, 425, 429}
# A server's words for "no room".
NO_ROOM: Final = {
    "QuotaExceeded",
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "InsufficientStorage",
}
NO_BUCKET: Final = "NoSuchBucket"
# botocore's for settings that are missing or can't work, by name: it need not be installed.
UNUSABLE: Final = {
    *("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "InvalidConfigError"),
    *("NoRegionError", "ParamValidationError", "UnauthorizedSSOTokenError", "SSOTokenLoadError"),
}
# What a person can do about a refusal.
REMEDIES: Final = {
    "RequestTimeTooSkewed": "set this machine's clock",
    "AccessDenied": "it needs s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and "
    "s3:ListBucket there",
    "ExpiredToken": "its credentials have expired: renew them",
    NO_BUCKET: "make it, or correct its name",
}
CREDENTIALS: Final = (
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and the rights that they give"
)


def understood(error: Exception, place: str, key: str | None = None) -> JobyardError | None:
    """The error for `error`, which a back end raised; None where it is no back end's but a mistake of ours.

    `place` names the folder or bucket, `key` what was asked for in it.
    """
    if isinstance(error, JobyardError):
        return error
    codes = list(_codes(error))
    if is_full(error) or any(code in NO_ROOM or status == 507 for code, status in codes):
        return DiskFull(f"the storage {place} is full: free some space, or delete what is not needed")
    if codes:
        return _refused_by_server(*codes[-1], error, place, key)
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return _missing(place, key)
    reason = _reason(error)
    if isinstance(error, OSError) and error.errno in NOT_OURS:
        return StorageRefused(f"{SETTING}: the storage {place} can't be used: {reason}")
    if isinstance(error, PermissionError) or UNUSABLE & {one.__name__ for one in type(error).__mro__}:
        return StorageRefused(f"{SETTING}: the storage {place} refuses: {reason}; {CREDENTIALS}")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StorageRefused(
            f"{SETTING}: the certificate of the storage {place} can't be verified; AWS_CA_BUNDLE names the "
            "file of the authorities to trust"
        )
    if isinstance(error, OSError | EOFError) or type(error).__module__ != "builtins":
        return StorageAway(f"the storage {place} can't be reached: {reason}")
    return None


def failure_behind(error: BaseException | None) -> StorageFailed | None:
    """The storage's failure that led to an error, if one did: libraries put others in its place."""
    while error is not None:
        if isinstance(error, StorageFailed):
            return error
        error = error.__cause__ or error.__context__
    return None


def _codes(error: BaseException | None) -> Iterator[tuple[str, int]]:
    """Code and status of the answers of a server of S3 that led to an error, from the last to the first."""
    while error is not None:
        response: Any = getattr(error, "response", None)
        if isinstance(response, dict) and "Error" in response:
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            yield str(response["Error"].get("Code", "")), int(status or 0)
        error = error.__cause__ or error.__context__


def _refused_by_server(code: str, status: int, error: Exception, place: str, key: str | None) -> JobyardError:
    if code == NO_BUCKET:
        return StorageRefused(f"{SETTING}: there is no bucket for {place}: {REMEDIES[code]}")
    if status == 404:
        return _missing(place, key)
    if 300 <= status < 500 and status not in PASSING:
        said = f"{code}, status {status}" if code and code != str(status) else f"status {status}"
        remedy = REMEDIES.get(code, CREDENTIALS)
        return StorageRefused(f"{SETTING}: the storage {place} refuses ({said}): {remedy}")
    said = f"{code or 'an error'}, status {status}" if status else code or _reason(error)
    return StorageAway(f"the storage {place} can't serve now ({said})")


def _missing(place: str, key: str | None) -> NotFound:
    return NotFound(f"the file {key} is missing from the storage" if key else f"there is nothing in {place}")


def _reason(error: BaseException) -> str:
    """One line, without an address that may hold a secret."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    name = type(error).__name__
    return f"{name}: {lines[0][:200].split('?', 1)[0]}" if lines else name

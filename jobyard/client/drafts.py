"""What a file is written as until all of it is there."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobyard.client.errors import BadRequest, JobyardClientError


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """The path to write to. It takes the place of `target` where the block ends, and is removed if it fails.

    Raises BadRequest for what is no path of a file, and JobyardClientError where it can't be written.
    """
    if not target.name:
        raise BadRequest(f"path: should be that of a file, but is {str(target)!r}")
    draft = target.with_name(f".{target.name}.part")
    try:
        with suppress(OSError):
            draft.lstat()
    except ValueError:  # a null character, half of a surrogate pair
        raise BadRequest(f"path: {str(target)!r} is none that a file can have") from None
    try:
        if target.exists() and not target.is_file():
            # It would be replaced: /dev/null, say.
            raise BadRequest(f"path: {str(target)!r} is a folder or a device; should be that of a file")
        yield draft
        draft.replace(target)
    except OSError as error:
        raise JobyardClientError(f"path: {target} can't be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)

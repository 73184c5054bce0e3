"""preview: the head of a file of texts becomes what its scoring would say of how it reads it.

The upload may have only a file's first and last bytes. What is in between is then a hole, which takes no
room on the disk.
"""

from pathlib import Path
from typing import IO, Any, Final

from jobyard.shared import storage
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.preview import PreviewSpec
from jobyard.workers.kinds import wait_for
from jobyard.workers.kinds.sentiment import compiling
from jobyard.workers.runtime.attempt import Attempt

# As much as a file's dialect may depend on, see `readings.LONG_BYTES`: what is no more than that is whole.
HEAD_BYTES: Final = 2 << 20
# Of formats that have their directory at the end, so much is read as a whole, and so much of the end.
WHOLE_BYTES: Final = 16 << 20
TAIL_BYTES: Final = 1 << 20
OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
LAST_BEGIN: Final = (b"PAR1", b"PK\x03\x04", OLD_OFFICE)


def work(attempt: Attempt, spec: PreviewSpec) -> dict[str, Any]:
    """The result is that of `workers.sentiment.preview.preview`."""
    if attempt.claim.attempt > 1:
        raise WorkError("the worker that looked at the file was lost; the file may be broken")
    wait_for(compiling(), attempt, "starting")
    from jobyard.workers.sentiment.preview import preview

    attempt.progress.phase("reading")
    with attempt.context.database.read() as session:
        file = storage.get_file(session, spec.file)
    source = attempt.scratch / "head"
    with attempt.context.storage.open(file.storage_key) as stream:
        is_cut = write_head(stream, file.bytes, spec, source)
    # Of the bytes that are there: how large the whole file is, the request only says.
    limit = attempt.context.settings.max_unpacked_bytes_of(file.bytes)
    return preview(spec.reading, source, file.name, limit, attempt.progress, is_cut=is_cut)


def write_head(stream: IO[bytes], held: int, spec: PreviewSpec, path: Path) -> bool:
    """Write what is to be looked at. Returns whether that is less than the whole file."""
    head = stream.read(HEAD_BYTES if spec.head_bytes is None else spec.head_bytes)
    ends_with_directory = head.startswith(LAST_BEGIN)
    if spec.head_bytes is None and ends_with_directory and held <= WHOLE_BYTES:
        head += stream.read()
    with path.open("wb") as target:
        target.write(head)
        # A file of old Office is searched from its first byte to its last, and a hole may have terabytes.
        if len(head) == spec.bytes or not ends_with_directory or head.startswith(OLD_OFFICE):
            return len(head) < spec.bytes
        stream.seek(spec.head_bytes if spec.head_bytes is not None else max(len(head), held - TAIL_BYTES))
        tail = stream.read(TAIL_BYTES)
        target.seek(max(len(head), spec.bytes - len(tail)))
        target.write(tail)
    return len(head) + len(tail) < spec.bytes

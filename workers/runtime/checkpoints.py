"""A job's newest checkpoint: bytes in the storage, its key in the job's row, guarded by the lease."""

import logging
import shutil
from pathlib import Path

import sqlalchemy as sa

from jobyard.shared import jobs, storage
from jobyard.shared.errors import DiskFull, LeaseLost, NotFound, StorageFailed
from jobyard.workers.runtime.context import Context, ScratchFolder

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoint that an attempt leaves for the next one."""

    def __init__(self, context: Context, claim: jobs.Claim, scratch: ScratchFolder) -> None:
        self._context = context
        self._job_id = claim.id
        self._lease = claim.lease
        self._scratch = scratch
        self._key = claim.checkpoint_key

    def load(self) -> Path | None:
        """A copy of the newest checkpoint, or None if there is none."""
        if self._key is None:
            return None
        path = self._scratch.path / "checkpoint"
        try:
            with self._context.storage.open(self._key) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except NotFound:
            log.warning("job %s: its checkpoint is missing, it starts over", self._job_id)
            return None
        return path

    def save(self, path: Path) -> None:
        """Make this file the newest checkpoint.

        Raises LeaseLost, and the errors of SQLAlchemy or the storage if one is unreachable: that costs this
        checkpoint, not the work.
        """
        try:
            key = self._context.storage.move_file("checkpoints", path, lease=self._lease)
            with self._context.database.write() as session:
                job = jobs.keep_checkpoint(session, self._job_id, self._lease, key, replaces=self._key)
        except (sa.exc.SQLAlchemyError, StorageFailed, DiskFull) as error:
            # What was stored is abandoned now or the newest after all: the sweeper finds out.
            log.warning("job %s: can't save a checkpoint: %s", self._job_id, str(error).splitlines()[0])
            raise
        if job is None:
            self._context.storage.discard(key)
            raise LeaseLost
        replaced, self._key = self._key, key
        if replaced is not None:
            self._context.storage.remove([replaced], storage.Reason.REPLACED)

    def discard(self) -> None:
        """Delete the newest checkpoint: the job has ended."""
        if self._key is None:
            return
        key, self._key = self._key, None
        try:
            with self._context.database.write() as session:
                is_dropped = jobs.drop_checkpoint(session, self._job_id, key)
        except sa.exc.SQLAlchemyError as error:
            log.warning("job %s: its checkpoint is left to the sweeper: %s", self._job_id, error)
            return
        if is_dropped:
            self._context.storage.remove([key], storage.Reason.ENDED)

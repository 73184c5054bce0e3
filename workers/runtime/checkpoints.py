"""A job's newest checkpoint: bytes in the storage, its key in the job's row, guarded by the lease."""

import logging
import shutil
from pathlib import Path

import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.errors import LeaseLost, NotFound
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
            key = self._context.storage.move_file("checkpoints", path)
            with self._context.database.write() as session:
                job = jobs.keep_checkpoint(session, self._job_id, self._lease, key)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            # What was stored is rubbish now or the newest after all: the sweeper finds out.
            log.warning("job %s: can't save a checkpoint: %s", self._job_id, str(error).splitlines()[0])
            raise
        if job is None:
            self._context.storage.delete(key)
            raise LeaseLost
        self._delete()
        self._key = key

    def discard(self) -> None:
        """Delete the newest checkpoint: the job has ended."""
        self._delete()

    def _delete(self) -> None:
        if self._key is not None:
            self._context.storage.delete(self._key)
            self._key = None

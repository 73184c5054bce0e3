"""A job's newest checkpoint: bytes in the storage, its key in the job's row, fenced by the lease."""

import logging
import shutil
from pathlib import Path

import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.errors import LeaseLost, NotFound
from jobyard.workers.runtime.context import Context, Scratch

log = logging.getLogger(__name__)


class Checkpoints:
    """What an attempt leaves for the next one. `key` is of the newest."""

    def __init__(self, context: Context, claim: jobs.Claim, scratch: Scratch) -> None:
        self._here = context
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
            with self._here.storage.open(self._key) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except NotFound:
            log.warning("job %s: its checkpoint is gone, it begins anew", self._job_id)
            return None
        return path

    def save(self, path: Path) -> None:
        """Make this file the newest checkpoint.

        Raises LeaseLost, and what SQLAlchemy or the storage raise when theirs is away: that costs this
        checkpoint, not the work.
        """
        try:
            key = self._here.storage.move_file("checkpoints", path)
            with self._here.database.write() as session:
                job = jobs.keep_checkpoint(session, self._job_id, self._lease, key)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            # What was stored is rubbish now or the newest after all: the sweeper finds out.
            log.warning("job %s: can't keep a checkpoint: %s", self._job_id, str(error).splitlines()[0])
            raise
        if job is None:
            self._here.storage.delete(key)
            raise LeaseLost
        self._delete()
        self._key = key

    def discard(self) -> None:
        """The job has ended: nobody will go on from here."""
        self._delete()

    def _delete(self) -> None:
        if self._key is not None:
            self._here.storage.delete(self._key)
            self._key = None

"""Writes the output of one attempt, within the transactions of its heartbeats and of its outcome."""

import uuid
from typing import NamedTuple

from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.jobs import Piece
from jobyard.workers.runtime.output.output import HEAD, TAIL, Output


class _Extent(NamedTuple):
    """Where a piece begins and ends in the attempt's output."""

    begins: int
    ends: int


class OutputWriter:
    """Knows what the database has of the output, and deletes what is neither its head nor its tail."""

    def __init__(self, job_id: uuid.UUID, attempt: int, output: Output) -> None:
        self._job_id = job_id
        self._attempt = attempt
        self._output = output
        # What is being written, until that is committed.
        self._batch: list[Piece] = []
        # What the database has behind the head; None: nobody has looked yet.
        self._tail: list[_Extent] | None = None
        # What the attempt had printed before it was released.
        self._before = 0

    @property
    def waits(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._batch) or self._output.waits

    def take(self, *, last: bool = False) -> bool:
        """Whether `write` has anything to write now; `last`: all that there is."""
        if last or not self._batch:
            self._batch += self._output.take(all_of_it=last)
        return bool(self._batch)

    def write(self, session: Session) -> None:
        """Write what was taken, in a transaction that may be rolled back: then it is written again."""
        if not self._batch:
            return
        if self._tail is None:
            found = [_Extent(*one) for one in jobs.output_extents(session, self._job_id, self._attempt)]
            self._before = found[-1].ends if found else 0
            self._tail = [one for one in found if one.ends > HEAD]
        pieces = [Piece(self._before + begins, text) for begins, text in self._batch]
        jobs.write_output(session, self._job_id, self._attempt, pieces)
        outdated, _ = self._sorted()
        jobs.drop_output(session, self._job_id, self._attempt, [one.begins for one in outdated])

    def written(self) -> None:
        """The transaction was committed."""
        if self._batch:
            _, self._tail = self._sorted()
            self._batch = []

    def _sorted(self) -> tuple[list[_Extent], list[_Extent]]:
        """What is outdated behind the head, and what is kept, once the batch is written."""
        kept = list(self._tail or ())
        for begins, text in self._batch:
            kept.append(_Extent(self._before + begins, self._before + begins + len(text)))
        kept = [one for one in kept if one.ends > HEAD]
        size = sum(one.ends - one.begins for one in kept)
        outdated = []
        while kept and size - (kept[0].ends - kept[0].begins) >= TAIL:
            size -= kept[0].ends - kept[0].begins
            outdated.append(kept.pop(0))
        return outdated, kept

"""When checkpoints are written, and the thread that does it beside the training."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from jobyard.shared.errors import Cancelled, Interrupted, LeaseLost
from jobyard.workers.training.checkpoint import Abandoned, Checkpoint, CheckpointStore, Position

log = logging.getLogger(__name__)

# After a checkpoint, the next epoch's end waits this many times as long as that one took to write: epochs
# that are short against the writing would else slow the training by more than the work that they save.
# Writing keeps one core busy, and costs the training a quarter more for the copies that it has to make:
# of two cores this is 2.5 % at most.
REST = 25.0


class CheckpointWriter:
    """Keeps checkpoints of a training: one at each epoch's end, and one every `seconds` within it.

    The training hands over a snapshot, which costs it next to nothing, and continues; one that is due too
    soon after the one before (see REST) follows a little later. A context manager: leaving it by an
    interruption after which the job continues elsewhere writes a last one.
    """

    def __init__(
        self,
        checkpoints: CheckpointStore | None,
        workdir: Path,
        seconds: float,
        snapshot: Callable[[], Checkpoint],
        saved: Position | None,
    ) -> None:
        self._checkpoints = checkpoints
        self._path = workdir / "checkpoint.npz"
        self._seconds = seconds
        self._snapshot = snapshot
        # Of the newest checkpoint that is kept or being written.
        self._position = saved
        self._began = time.monotonic()
        self._took = 0.0
        self._epoch_ended = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._unwanted = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Interrupted) and not isinstance(error, Cancelled | LeaseLost):
            self._save_last()
        elif error is not None:
            self._unwanted.set()
        self._writer.shutdown()
        if error is None:
            self._raise_if_lost()

    def epoch_ended(self) -> None:
        """An epoch's end is worth a checkpoint."""
        self._epoch_ended = True
        self.offer()

    def offer(self) -> None:
        """Begin to write a checkpoint if one is due. Raises the Interrupted that saving one did."""
        if self._checkpoints is None or (self._writing is not None and not self._writing.done()):
            return
        self._raise_if_lost()
        elapsed = time.monotonic() - self._began
        if elapsed >= self._seconds or (self._epoch_ended and elapsed >= REST * self._took):
            self._begin(self._checkpoints, self._snapshot())

    def _save_last(self) -> None:
        """What is being written is outdated, unless it is of this very moment."""
        last = self._snapshot()
        if self._checkpoints is None or last.position == self._position:
            return
        self._unwanted.set()
        if self._writing is not None:
            wait([self._writing])
        self._unwanted.clear()
        self._begin(self._checkpoints, last)

    def _begin(self, checkpoints: CheckpointStore, checkpoint: Checkpoint) -> None:
        self._began = time.monotonic()
        self._epoch_ended = False
        self._position = checkpoint.position
        self._writing = self._writer.submit(self._write, checkpoints, checkpoint)

    def _write(self, checkpoints: CheckpointStore, checkpoint: Checkpoint) -> None:
        try:
            checkpoint.write(self._path, unwanted=self._unwanted.is_set)
            checkpoints.save(self._path)
        except Abandoned:
            log.debug("the checkpoint at %s is no longer needed", checkpoint.position)
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - a lost checkpoint never costs the training
            self._position = None
            log.warning(
                "can't write the checkpoint at %s: %s: %s", checkpoint.position, type(error).__name__, error
            )
        finally:
            self._path.unlink(missing_ok=True)
            self._took = time.monotonic() - self._began

    def _raise_if_lost(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

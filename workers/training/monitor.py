"""What a training reports: progress, each epoch's metrics, and why it ends early."""

import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.runtime.progress import Progress


class Epoch(TypedDict):
    """One epoch's metrics; `epoch` counts from 1, `learning_rate` is that of its last step.

    `loss` and `val_loss` are both the plain cross-entropy, on training pictures as they were changed and on
    those that validate. What is minimised may have label smoothing and class weights besides.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float


class Monitor:
    """Keeps the history, reports each batch and epoch, and lets Interrupted through.

    With the spec's patience it wants the stage ended when that many of its epochs have not been better than
    the best.
    """

    def __init__(self, progress: Progress) -> None:
        self.history: list[Epoch] = []
        self.stopped_early: str | None = None
        self._progress = progress

    def enter(
        self, phase: str, spec: TrainSpec, steps: int, before: int, rate: str = "learning_rate"
    ) -> None:
        """The epochs to come are those of a stage with that spec, of `steps` each; `before` have ended.

        `rate` is what the job's spec calls the learning rate of this stage.
        """
        self.stopped_early = None
        self._phase = phase
        self._spec = spec
        self._steps = steps
        self._before = before
        self._rate = rate

    @property
    def best(self) -> Epoch:
        """The epoch of lowest val_loss, or of highest val_accuracy, if the spec wants that monitored.

        Small validations have few values of accuracy: of equal ones the epoch of lowest val_loss is better.
        Of epochs that are equal in all of this it is the first.
        """
        if self._spec.monitor == "val_accuracy":
            return min(self.history, key=lambda epoch: (-epoch["val_accuracy"], epoch["val_loss"]))
        return min(self.history, key=lambda epoch: epoch["val_loss"])

    @property
    def over(self) -> bool:
        """Whether the stage has no epoch to come."""
        return self.stopped_early is not None or len(self.history) >= self._epochs

    def on_begin(self, batch: int) -> None:
        """The training starts, or continues after that many batches of the present epoch."""
        self._report_progress(batch)  # what was counted before were pictures

    def on_epoch_begin(self, epoch: int) -> None:
        self._progress.phase(f"{self._phase} epoch {epoch + 1}/{self._epochs}")

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        self._refuse_nan("loss", logs["loss"], len(self.history) + 1)
        self._report_progress(batch + 1)

    def on_test_batch_end(self, batch: int) -> None:
        self._progress.check()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float], *, weights_are_finite: bool = True) -> None:
        """Note what came of the epoch; `report_last` reports it.

        Raises WorkError where the training can't lead to anything any more. Weights count beside the losses:
        a ReLU after them may turn NaN into 0.
        """
        ended = Epoch(
            epoch=epoch + 1,
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
            val_loss=float(logs["val_loss"]),
            val_accuracy=float(logs["val_accuracy"]),
            learning_rate=float(logs["learning_rate"]),
        )
        self._refuse_nan("val_loss", ended["val_loss"], ended["epoch"])
        self._refuse_nan("weights", 0 if weights_are_finite else math.nan, ended["epoch"])
        self.history.append(ended)
        if self._spec.patience is not None:
            self._be_patient(self._spec.patience, ended["epoch"])

    def report_last(self) -> None:
        report_metrics(self._progress, self.history[-1:])

    @property
    def _epochs(self) -> int:
        """All epochs that there are at the end of the stage, if nothing ends it earlier."""
        return self._before + self._spec.epochs

    def _report_progress(self, batches: int) -> None:
        """`batches` of the present epoch are done."""
        done = (len(self.history) - self._before) * self._steps + batches
        self._progress.update(done, self._spec.epochs * self._steps, "batches")

    def _be_patient(self, patience: int, epoch: int) -> None:
        best = max(self.best["epoch"], self._before)
        if epoch - best >= patience:
            moved = "fallen" if self._spec.monitor == "val_loss" else "risen"
            self.stopped_early = (
                f"{self._spec.monitor} has not {moved} in the {patience} epochs after epoch {best}"
            )

    def _refuse_nan(self, name: str, value: float, epoch: int) -> None:
        if not math.isfinite(value):
            what = "NaN" if math.isnan(value) else "infinite"
            raise WorkError(
                f"{name} became {what} in epoch {epoch}; "
                f"try a lower {self._rate} (now {self._spec.learning_rate:g})"
            )


def report_metrics(progress: Progress, epochs: Sequence[Epoch]) -> None:
    """Report the epochs' metrics, each under its epoch's number."""
    for epoch in epochs:
        number = epoch["epoch"]
        progress.metric("loss", number, epoch["loss"], number)
        progress.metric("accuracy", number, epoch["accuracy"], number)
        progress.metric("val_loss", number, epoch["val_loss"], number)
        progress.metric("val_accuracy", number, epoch["val_accuracy"], number)
        progress.metric("learning_rate", number, epoch["learning_rate"], number)

"""What happens beside the training: reports, the stop by the owner, patience, and the best epoch."""

import math
from collections.abc import Mapping
from typing import Any, TypedDict

import keras

from shared.errors import WorkError
from shared.specs import TrainSpec
from workers.report import Report


class Epoch(TypedDict):
    """One epoch's metrics; `epoch` counts from 1."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is untyped
    """Reports each batch and epoch, and lets Interrupted through, which ends `model.fit`.

    With `spec.patience` it keeps the weights of the best epoch (the first of lowest val_loss), and stops
    the training when that many epochs have not been better.
    """

    def __init__(self, spec: TrainSpec, steps: int, report: Report) -> None:
        super().__init__()
        self.history: list[Epoch] = []
        self.best_weights: list[Any] | None = None
        self.stopped_early: str | None = None
        self._spec = spec
        self._steps = steps
        self._report = report

    @property
    def best(self) -> Epoch:
        """The epoch of lowest val_loss."""
        return min(self.history, key=lambda epoch: epoch["val_loss"])

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._report.phase(f"training epoch {epoch + 1}/{self._spec.epochs}")

        if epoch == 0:
            self._tell_progress(0)  # what was counted before were pictures

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._refuse_nan("loss", (logs or {})["loss"], len(self.history) + 1)
        self._tell_progress(batch + 1)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._report.check()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        values = logs or {}
        ended = Epoch(
            epoch=epoch + 1,
            loss=float(values["loss"]),
            accuracy=float(values["accuracy"]),
            val_loss=float(values["val_loss"]),
            val_accuracy=float(values["val_accuracy"]),
        )
        self._refuse_nan("val_loss", ended["val_loss"], ended["epoch"])
        self.history.append(ended)
        for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
            self._report.metric(name, ended["epoch"], values[name], ended["epoch"])
        if self._spec.patience is not None:
            self._be_patient(self._spec.patience, ended["epoch"])

    def _tell_progress(self, batches: int) -> None:
        """`batches` of the present epoch are done."""
        done = len(self.history) * self._steps + batches
        self._report.progress(done, self._spec.epochs * self._steps, "batches")

    def _be_patient(self, patience: int, epoch: int) -> None:
        best = self.best["epoch"]
        if best == epoch:
            self.best_weights = self.model.get_weights()
        elif epoch - best >= patience:
            self.stopped_early = f"val_loss has not fallen in the {patience} epochs after epoch {best}"
            self.model.stop_training = True

    def _refuse_nan(self, name: str, value: float, epoch: int) -> None:
        if not math.isfinite(value):
            what = "NaN" if math.isnan(value) else "infinite"
            raise WorkError(
                f"the {name} became {what} in epoch {epoch}: "
                f"lower learning_rate (now {self._spec.learning_rate:g})"
            )

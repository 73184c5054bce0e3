"""What this process computes on, and how precisely."""

import platform
from dataclasses import asdict, dataclass
from typing import Any

import keras
import tensorflow as tf


@dataclass(frozen=True)
class Environment:
    """What a training ran on and with, for its record."""

    tensorflow: str
    keras: str
    python: str
    device: str
    precision: str
    seed: int

    def as_dict(self) -> dict[str, str | int]:
        return asdict(self)


def prepare(precision: str, seed: int) -> Environment:
    """Find the device, settle the precision, and seed every source of chance."""
    gpus = share_gpus()
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    keras.utils.set_random_seed(seed)
    return Environment(
        tensorflow=str(tf.__version__),
        keras=str(keras.__version__),
        python=platform.python_version(),
        device=str(details.get("device_name", "GPU")) if gpus else "CPU",
        precision=fastest(details.get("compute_capability")) if precision == "auto" else precision,
        seed=seed,
    )


def share_gpus() -> list[Any]:
    """The GPUs, of which TensorFlow shall take memory as it needs it, not all of it at once."""
    gpus: list[Any] = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):  # it can't be set again after the first use
            tf.config.experimental.set_memory_growth(gpu, True)
    return gpus


def fastest(compute_capability: tuple[int, int] | None) -> str:
    """The dtype policy that a GPU has the units for: bfloat16 from 8.0 on, float16 from 7.0 on."""
    if compute_capability is not None and compute_capability >= (8, 0):
        return "mixed_bfloat16"
    if compute_capability is not None and compute_capability >= (7, 0):
        return "mixed_float16"
    return "float32"

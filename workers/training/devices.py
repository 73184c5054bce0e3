"""What this process computes on, and how precisely."""

import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

# What multiplies matrices of bfloat16: Intel's AMX, and ARM's. AVX-512's instructions alone don't pay: on a
# Xeon that has these but no AMX, `compact` and `classic` take a third longer than in float32.
BFLOAT16_UNITS = {"amx_bf16", "bf16"}

# A processor's units for bfloat16 don't help with depthwise convolutions: these take four times as long.
DEPTHWISE = {"efficientnet-lite0"}


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


def prepare(precision: str, seed: int, network: str) -> Environment:
    """Find the device, settle the precision for that network, and seed every source of chance."""
    gpus = share_gpus()
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    keras.utils.set_random_seed(seed)
    return Environment(
        tensorflow=str(tf.__version__),
        keras=str(keras.__version__),
        python=platform.python_version(),
        device=str(details.get("device_name", "GPU")) if gpus else "CPU",
        precision=_fastest(gpus, details, network) if precision == "auto" else precision,
        seed=seed,
    )


def share_gpus() -> list[Any]:
    """The GPUs, of which TensorFlow shall take memory as it needs it, not all of it at once."""
    gpus: list[Any] = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):  # it can't be set again after the first use
            tf.config.experimental.set_memory_growth(gpu, True)
    return gpus


def _fastest(gpus: list[Any], details: dict[str, Any], network: str) -> str:
    if gpus:
        return fastest(details.get("compute_capability"))
    return "float32" if network in DEPTHWISE else fastest_on_cpu(_cpu_flags())


def fastest_on_cpu(flags: frozenset[str]) -> str:
    """The dtype policy that a processor with these flags (Linux' names) has the units for.

    Flags, and no measurement: the same training on the same machine has the same precision each time,
    however busy it is. Emulated bfloat16 would be slower than float32.
    """
    return "mixed_bfloat16" if flags & BFLOAT16_UNITS else "float32"


def _cpu_flags() -> frozenset[str]:
    """None where the system is not Linux."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("flags", "Features"):  # x86, ARM
                return frozenset(value.split())
    return frozenset()


def fastest(compute_capability: tuple[int, int] | None) -> str:
    """The dtype policy that a GPU has the units for: bfloat16 from 8.0 on, float16 from 7.0 on."""
    if compute_capability is not None and compute_capability >= (8, 0):
        return "mixed_bfloat16"
    if compute_capability is not None and compute_capability >= (7, 0):
        return "mixed_float16"
    return "float32"

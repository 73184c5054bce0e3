"""How much of the GPUs is used that this process may see. Whatever fails: there is no GPU."""

import functools
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

log = logging.getLogger(__name__)

# What computes on a GPU: a process without any of them uses none.
LIBRARIES: Final = ("tensorflow", "torch", "jax", "cupy")


@dataclass(frozen=True)
class GpuUse:
    """Of the whole GPUs, whoever uses them: how many are busy (0.5: one for half of the time), and bytes."""

    names: str
    busy: float
    memory_bytes: int


def gpu_use() -> GpuUse | None:
    """What is used now; None without a GPU, or in a process that computes on none."""
    if not any(library in sys.modules for library in LIBRARIES):
        return None
    devices = _devices(os.environ.get("CUDA_VISIBLE_DEVICES"))
    if not devices:
        return None
    import pynvml

    try:
        names = [str(pynvml.nvmlDeviceGetName(device)) for device in devices]
        busy = sum(pynvml.nvmlDeviceGetUtilizationRates(device).gpu for device in devices) / 100
        used = sum(int(pynvml.nvmlDeviceGetMemoryInfo(device).used) for device in devices)
    except Exception as error:  # noqa: BLE001 - whatever a driver says, it is no reason to disturb the job
        log.debug("can't read how much of the GPU is used: %s", error)
        return None
    return GpuUse(", ".join(names), busy, used)


@functools.cache
def _devices(visible: str | None) -> Sequence[Any]:
    """NVML's handles of the GPUs that CUDA_VISIBLE_DEVICES names; None: of all."""
    try:
        import pynvml

        pynvml.nvmlInit()
        if visible is None:
            names: list[int | str] = list(range(pynvml.nvmlDeviceGetCount()))
        else:
            names = visible_devices(visible)
        return [
            pynvml.nvmlDeviceGetHandleByIndex(name)
            if isinstance(name, int)
            else pynvml.nvmlDeviceGetHandleByUUID(name)
            for name in names
        ]
    except Exception as error:  # noqa: BLE001 - no library, no driver, no permission, a GPU that is gone
        log.debug("no GPU: %s", error)
        return []


def visible_devices(value: str) -> list[int | str]:
    """Numbers and UUIDs of GPUs in CUDA_VISIBLE_DEVICES: as CUDA does, up to the first that is neither."""
    found: list[int | str] = []
    for entry in map(str.strip, value.split(",")):
        if entry.isdecimal():
            found.append(int(entry))
        elif entry.startswith(("GPU-", "MIG-")):
            found.append(entry)
        else:
            break
    return found

"""How much of the GPUs is used that this process may see. Whatever fails: there is no GPU."""

import functools
import logging
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

log = logging.getLogger(__name__)

# What computes on a GPU: a process without any of them uses none.
LIBRARIES: Final = ("tensorflow", "torch", "jax", "cupy")
# CUDA reads a number as C's `atoi` does: whatever follows it is ignored.
NUMBER: Final = re.compile(r"\+?[0-9]+")


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
        # The second version leaves out what the driver keeps for itself, as `nvidia-smi` does.
        memory = [pynvml.nvmlDeviceGetMemoryInfo(device, pynvml.nvmlMemory_v2) for device in devices]
        used = sum(int(one.used) for one in memory)
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
        devices = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        if visible is None:
            return devices
        names = visible_devices(visible, [str(pynvml.nvmlDeviceGetUUID(device)) for device in devices])
        return [
            devices[name] if isinstance(name, int) else pynvml.nvmlDeviceGetHandleByUUID(name)
            for name in names
        ]
    except Exception as error:  # noqa: BLE001 - no library, no driver, no permission, a GPU that is gone
        log.debug("no GPU: %s", error)
        return []


def visible_devices(value: str, uuids: Sequence[str]) -> list[int | str]:
    """The GPUs that CUDA_VISIBLE_DEVICES names, among those of these UUIDs: by number; parts of one by UUID.

    As CUDA reads it, seen on driver 580: numbers or UUIDs, whichever comes first; the beginning of a UUID
    will do where only one GPU's begins so; what is neither or isn't there ends the list, and a GPU that is
    named twice leaves none.
    """
    entries = [entry.strip() for entry in value.split(",")]
    by_number = NUMBER.match(entries[0])
    found: list[int | str] = []
    for entry in entries:
        name = _by_number(entry, uuids) if by_number else _by_uuid(entry, uuids)
        if name is None:
            break
        if name in found:
            return []
        found.append(name)
    return found


def _by_number(entry: str, uuids: Sequence[str]) -> int | None:
    number = NUMBER.match(entry)
    return int(number[0]) if number and int(number[0]) < len(uuids) else None


def _by_uuid(entry: str, uuids: Sequence[str]) -> int | str | None:
    if entry.startswith("MIG-"):  # a part of a GPU, of which only NVML knows
        return entry
    numbers = [number for number, uuid in enumerate(uuids) if uuid.startswith(entry)]
    return numbers[0] if len(entry) > len("GPU-") and len(numbers) == 1 else None

"""GPUs: those that a process may see, and none where there is none."""

import sys
from types import ModuleType

import pytest

from jobyard.workers.runtime.usage.gpus import gpu_use, visible_devices

UUIDS = ["GPU-1f2e0000-a", "GPU-1f2e0000-b", "GPU-77770000-c"]


@pytest.mark.parametrize(
    ("value", "devices"),
    [
        ("0", [0]),
        ("2, 0", [2, 0]),
        (" 00 ,", [0]),
        ("GPU-1f2e0000-b", [1]),
        ("GPU-7", [2]),
        ("GPU-7,GPU-1f2e0000-a", [2, 0]),
        ("MIG-9", ["MIG-9"]),
        ("+1 0;7,0x9", [1, 0]),
        # What isn't there, or could be two, ends the list.
        ("1,-1,2", [1]),
        ("0,3", [0]),
        ("3,0", []),
        ("GPU-1f2e,GPU-7", []),
        ("gpu-77770000-c", []),
        ("GPU-", []),
        ("٠", []),
        # So does the other way of naming one.
        ("GPU-7,0", [2]),
        ("0,GPU-7", [0]),
        ("0,0", []),
        ("1,GPU-1f2e0000-b", [1]),
        ("GPU-7,GPU-77770000-c", []),
        ("-1", []),
        ("", []),
    ],
)
def test_the_devices_are_those_that_cuda_sees(value: str, devices: list[int | str]) -> None:
    assert visible_devices(value, UUIDS) == devices


@pytest.mark.parametrize("visible", ["-1", "9999"])
def test_where_there_is_no_gpu_none_is_used(monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_use() is None

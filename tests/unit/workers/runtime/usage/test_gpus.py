"""GPUs: those that a process may see, and none where there is none."""

import sys
from types import ModuleType

import pytest

from jobyard.workers.runtime.usage.gpus import gpu_use, visible_devices


@pytest.mark.parametrize(
    ("value", "devices"),
    [
        ("0", [0]),
        ("2, 0", [2, 0]),
        ("GPU-1f2e,1", ["GPU-1f2e", 1]),
        ("1,-1,2", [1]),
        ("-1", []),
        ("", []),
    ],
)
def test_the_devices_are_those_that_cuda_sees(value: str, devices: list[int | str]) -> None:
    assert visible_devices(value) == devices


@pytest.mark.parametrize("visible", ["-1", "9999"])
def test_where_there_is_no_gpu_none_is_used(monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_use() is None

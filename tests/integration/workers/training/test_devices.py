"""The precision that suits a processor."""

import pytest

from jobyard.workers.training import devices


@pytest.mark.parametrize(
    ("capability", "precision"),
    [
        (None, "float32"),
        ((6, 1), "float32"),
        ((7, 0), "mixed_float16"),
        ((7, 5), "mixed_float16"),
        ((8, 0), "mixed_bfloat16"),
        ((9, 0), "mixed_bfloat16"),
    ],
)
def test_auto_precision_is_what_the_gpu_has_units_for(
    capability: tuple[int, int] | None, precision: str
) -> None:
    assert devices.fastest(capability) == precision


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        (frozenset(), "float32"),
        (frozenset({"avx2", "avx512f", "avx_vnni"}), "float32"),
        (frozenset({"avx512f", "avx512_bf16"}), "float32"),
        (frozenset({"amx_tile", "amx_bf16"}), "mixed_bfloat16"),
        (frozenset({"asimd", "bf16"}), "mixed_bfloat16"),
    ],
)
def test_auto_precision_is_what_the_processor_has_units_for(flags: frozenset[str], precision: str) -> None:
    assert devices.fastest_on_cpu(flags) == precision

"""What a job has used: the column `usage`, NULL for a job that was over before the first sample."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from jobyard.shared.texts import size


@dataclass(frozen=True)
class Usage:
    """Of the process that runs a job and all that it started, as last sampled.

    The peaks are of all attempts, the seconds their sum. GPU seconds are those in which a GPU was busy, of
    whole GPUs. None where there is no GPU.
    """

    # Which one `memory_bytes` is of.
    attempt: int
    memory_bytes: int
    # Of the worker's control group, or of its machine.
    memory_limit_bytes: int
    peak_memory_bytes: int
    cpu_seconds: float
    gpu: str | None = None
    gpu_seconds: float | None = None
    peak_gpu_memory_bytes: int | None = None

    def after(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """As JSON, with what earlier attempts used."""
        if not before:
            return asdict(self)
        earlier = Usage(**{field.name: before.get(field.name) for field in fields(Usage)})  # type: ignore[arg-type]
        gpu_seconds = [value for value in (earlier.gpu_seconds, self.gpu_seconds) if value is not None]
        gpu_peaks = [
            value
            for value in (earlier.peak_gpu_memory_bytes, self.peak_gpu_memory_bytes)
            if value is not None
        ]
        whole = replace(
            self,
            peak_memory_bytes=max(earlier.peak_memory_bytes, self.peak_memory_bytes),
            cpu_seconds=round(earlier.cpu_seconds + self.cpu_seconds, 2),
            gpu=self.gpu or earlier.gpu,
            gpu_seconds=round(sum(gpu_seconds), 2) if gpu_seconds else None,
            peak_gpu_memory_bytes=max(gpu_peaks, default=None),
        )
        return asdict(whole)


def held_at_last(usage: Mapping[str, Any] | None, attempt: int) -> str | None:
    """What a lost attempt held when it was last sampled, for people; None if it was over before that."""
    if not usage or usage["attempt"] != attempt:
        return None
    return f"it had {size(usage['memory_bytes'])} at last, the limit is {size(usage['memory_limit_bytes'])}"

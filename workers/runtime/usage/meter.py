"""The meter of one attempt: samples of what its process uses, and all that it started.

A job that is shorter than the time between two samples costs two calls of the system. The heartbeat's thread
takes the samples and writes them with what it writes anyway.
"""

import logging
import resource
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from jobyard.shared import jobs
from jobyard.shared.metrics import SYSTEM, Point
from jobyard.workers.runtime.usage.gpus import gpu_use

log = logging.getLogger(__name__)

SAMPLE_SECONDS: Final = 5.0
# On a machine of very many processes a sample takes longer, and samples are taken less often.
MOST_OF_THE_TIME: Final = 0.005
# Memory that has grown by so much since the last sample does not wait for the next: the kernel may end the
# process before that.
JUMP_BYTES: Final = 256 * 1024**2
JUMP_SHARE: Final = 0.1
# After so many points of a name the time between two doubles: an hour has 720, a week not 6,000.
POINTS_AT_ONE_PACE: Final = 720

# Of what `getrusage` says of memory: macOS counts in bytes.
_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Sample:
    """Points for the metric history (none between two of them), and what the job has used so far."""

    points: tuple[Point, ...]
    usage: dict[str, Any]


@dataclass
class _Since:
    """What the next point is about: the time since the last one."""

    at: float
    cpu_seconds: float
    memory_bytes: int = 0
    gpu_seconds: float = 0.0
    gpu_memory_bytes: int = 0


class Meter:
    """To be made when the attempt begins; `before` is what earlier ones used."""

    def __init__(
        self,
        before: Mapping[str, Any] | None,
        attempt: int,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._before = before
        self._attempt = attempt
        self._now = now
        self._began = self._sampled_at = now()
        self._due = self._began + SAMPLE_SECONDS
        self._point_seconds = SAMPLE_SECONDS
        self._points = 0
        # What this process used for the jobs before, and the most that it ever held.
        own = resource.getrusage(resource.RUSAGE_SELF)
        self._cpu_before = _cpu_of_own(own)
        self._most = own.ru_maxrss * _UNIT
        self._since = _Since(self._began, 0.0)
        self._cpu_seconds = self._gpu_seconds = 0.0
        self._peak = self._peak_gpu = 0
        self._is_read = False

    def look(self) -> Sample | None:
        """A sample if one is due."""
        now = self._now()
        jump = max(JUMP_BYTES, JUMP_SHARE * self._most)
        return self._sample(now) if now >= self._due or _most_memory() > self._most + jump else None

    def last(self) -> Sample | None:
        """A sample at the end, if there were others."""
        return self._sample(self._now()) if self._is_read else None

    def _sample(self, now: float) -> Sample | None:
        try:
            import psutil  # what quick jobs do without

            from jobyard.workers.runtime.usage.limits import memory_limit

            own = psutil.Process()
            memory = own.memory_info().rss
            cpu = _cpu_of_own(resource.getrusage(resource.RUSAGE_SELF)) - self._cpu_before
            most = _most_memory()
            # What it held at some time since the last sample, if it never held as much before.
            peak = max(memory, most if most > self._most else 0)
            for child in own.children(recursive=True):
                with suppress(psutil.Error):
                    memory += (held := child.memory_info().rss)
                    peak += held
                    cpu += sum(child.cpu_times()[:4])
            limit = memory_limit()
        except Exception as error:  # noqa: BLE001 - whatever the system says, the job keeps its lease
            log.debug("can't read what the job uses: %s", error)
            self._due = now + SAMPLE_SECONDS
            return None
        gpu = gpu_use()
        # What the first one takes is spent on imports and the driver, once.
        cost = self._now() - now if self._is_read else 0.0
        self._is_read = True
        self._most = most
        # A child that ended may take its count with it.
        self._cpu_seconds = max(cpu, self._cpu_seconds)
        self._peak = max(self._peak, peak)
        self._since.memory_bytes = max(self._since.memory_bytes, peak)
        if gpu is not None:
            busy = gpu.busy * (now - self._sampled_at)
            self._gpu_seconds += busy
            self._since.gpu_seconds += busy
            self._since.gpu_memory_bytes = max(self._since.gpu_memory_bytes, gpu.memory_bytes)
            self._peak_gpu = max(self._peak_gpu, gpu.memory_bytes)
        points = self._points_at(now, has_gpu=gpu is not None)
        self._sampled_at = now
        self._due = now + max(SAMPLE_SECONDS, cost / MOST_OF_THE_TIME)
        usage = jobs.Usage(
            attempt=self._attempt,
            memory_bytes=memory,
            memory_limit_bytes=limit,
            peak_memory_bytes=self._peak,
            cpu_seconds=round(self._cpu_seconds, 2),
            gpu=None if gpu is None else gpu.names,
            gpu_seconds=None if gpu is None else round(self._gpu_seconds, 2),
            peak_gpu_memory_bytes=None if gpu is None else self._peak_gpu,
        )
        return Sample(points, usage.after(self._before))

    def _points_at(self, now: float, *, has_gpu: bool) -> tuple[Point, ...]:
        since = self._since
        # Heartbeats come a little early or late.
        if (seconds := now - since.at) < 0.9 * self._point_seconds:
            return ()
        values = {
            "cpu_cores": (self._cpu_seconds - since.cpu_seconds) / seconds,
            "memory_bytes": since.memory_bytes,
        }
        if has_gpu:
            values |= {"gpu_busy": since.gpu_seconds / seconds, "gpu_memory_bytes": since.gpu_memory_bytes}
        self._since = _Since(now, self._cpu_seconds)
        self._points += 1
        if self._points % POINTS_AT_ONE_PACE == 0:
            self._point_seconds *= 2
        step = round(now - self._began)
        return tuple(Point(f"{SYSTEM}{name}", step, float(value)) for name, value in values.items())


def _cpu_of_own(own: resource.struct_rusage) -> float:
    """Seconds of this process, and of those that it has started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def _most_memory() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT

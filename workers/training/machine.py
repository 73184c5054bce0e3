"""What a training ran on beside its device, for its record."""

import os
import platform
from pathlib import Path

import numpy as np

from jobyard import __version__


def described() -> dict[str, str | int]:
    """Versions of Jobyard and NumPy; the processor's name, and how many cores it has."""
    return {
        "jobyard": __version__,
        "numpy": np.__version__,
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
    }


def _processor() -> str:
    """As Linux calls it; elsewhere the architecture's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())

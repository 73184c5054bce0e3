"""What a running job uses: CPU, memory and GPUs."""

from jobyard.workers.runtime.usage.meter import Meter, Sample

__all__ = ["Meter", "Sample"]

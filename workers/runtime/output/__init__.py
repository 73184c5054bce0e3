"""What the work of a job prints and logs."""

from jobyard.workers.runtime.output.capture import capturing
from jobyard.workers.runtime.output.output import Output
from jobyard.workers.runtime.output.writer import OutputWriter

__all__ = ["Output", "OutputWriter", "capturing"]

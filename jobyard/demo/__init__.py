"""`jobyard demo`: everything once, on a server of its own in `./.demo`."""

from jobyard.demo.show import run

__all__ = ["run"]

"""`jobyard demo`: everything once, on a server of its own in `./.demo`."""

from web.demo.show import run

__all__ = ["run"]

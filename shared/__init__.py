"""The contract between web and workers: settings, specs, states, rows, files and messages."""

__version__ = "0.1.0"

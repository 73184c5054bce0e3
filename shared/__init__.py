"""The contract between web and workers: settings, specs, states, rows, files and messages."""

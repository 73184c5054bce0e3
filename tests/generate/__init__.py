"""Code that is written from other code: `make client` writes it, and tests compare it with its source."""

"""Debian's Chromium for tests, without a network of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NO_NETWORK = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def find_chromium() -> str:
    """Its path; without it the test is skipped, and in CI fails."""
    found = shutil.which("chromium")
    if found is None:
        message = "there is no chromium here: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu", *NO_NETWORK]
        )
        yield browser
        browser.close()

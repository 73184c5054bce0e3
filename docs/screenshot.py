"""Make docs/dashboard.png out of the demo: `make screenshot`. Needs Debian's chromium."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from jobyard import Client

DEMO = Path(".demo")
TARGET = Path("docs/dashboard.png")


def main() -> None:
    """Run the demo, look at its training, end the demo."""
    demo = subprocess.run(
        [sys.executable, "-m", "jobyard.cli", "demo", "--keep"], check=True, stdout=subprocess.PIPE, text=True
    )
    try:
        url, token = ((DEMO / name).read_text().strip() for name in ("url", "token"))
        with Client(url, token) as client:
            (training,) = client.jobs(kind="train")
        _take(f"{url}/login?token={token}", training.link("page"))
    finally:
        ending = re.search(r"kill (\d+)", demo.stdout)
        if ending is not None:
            os.kill(int(ending[1]), signal.SIGTERM)
    print(TARGET)


def _take(login: str, page: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 1180, "height": 900})
        tab.goto(login)
        tab.goto(page)
        tab.locator(".chart canvas").first.wait_for()
        tab.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()

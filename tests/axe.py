"""What axe-core finds wrong with a page: WCAG 2.2 AA and good practice."""

from collections.abc import Iterator
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS: dict[str, Any] = {
    "runOnly": {"type": "tag", "values": TAGS},
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
RUN = """async (options) => (await axe.run(options)).violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, html, any, all, none }) => [
        `${id}: ${target.join(" ")}`, html.slice(0, 200),
        ...[...any, ...all, ...none].map((one) => one.message),
    ].join("; ")))"""
SHOWN = "([scheme, width]) => document.documentElement.dataset.bsTheme === scheme && innerWidth === width"
# What a reader may unfold or open stands open: it is looked at, too.
UNFOLD = "() => { for (const each of document.querySelectorAll('details')) each.open = true; }"


def violations(page: Page) -> Iterator[str]:
    """Of the page with all its parts unfolded: light in a narrow window, then dark in a wide one."""
    page.evaluate(UNFOLD)
    page.evaluate(AXE_SCRIPT)
    for scheme, width in (("light", 390), ("dark", 1280)):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.wait_for_function(SHOWN, arg=[scheme, width])
        yield from (f"{scheme}, {width}: {found}" for found in page.evaluate(RUN, OPTIONS))

"""Every page as axe-core sees it in a real browser, light and dark: WCAG 2.2 AA and good practice."""

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import Flask
from playwright.sync_api import Page
from werkzeug.routing import Rule

from jobyard.shared import jobs, registrations, webhooks
from tests.axe import violations
from tests.integration.web.world import KINDS, STATES, World

# They are no pages: pictures, downloads, what the charts are drawn with, and what leads to another.
NO_PAGES = frozenset(
    {
        "pages.audit_csv",
        "pages.audit_jsonl",
        "pages.dataset_thumbnail",
        "pages.file_thumbnail",
        "pages.member_thumbnail",
        "pages.assets",
        "pages.shortened",
    }
)


def addresses(world: World) -> Iterator[str]:
    """Of every page, with something on it."""
    backend = world.backend
    yield "/"  # how to begin
    for kind in KINDS:
        yield f"/jobs/{world.job(kind, 'succeeded').id}"
    for state in STATES:
        yield f"/jobs/{world.job('texts', state).id}"
    training = world.job("train", "succeeded").id
    with backend.database.write() as session:
        registrations.register(session, name="cpu@a", queue="cpu", process="a/1/2")
        labels = {f"label{number}": "birds" for number in range(9)}
        jobs.edit(session, training, jobs.Edit({"name": "birds " * 30, "note": "a note"}, labels))
    yield f"/jobs/{training}"
    yield f"/jobs/{training}/edit"
    yield f"/jobs/{training}/again"
    yield f"/jobs/{training}/compare"
    yield f"/compare?jobs={training},{world.job('train', 'running').id}"
    yield "/compare"
    yield "/?kind=train&label=a:b"
    yield "/?state=paused"
    yield "/jobs/many"
    for kind in ("train", "predict", "evaluate", "export", "sentiment", "import", "register"):
        yield f"/new/{kind}"
    yield "/datasets"
    yield "/datasets/pets@1"
    yield "/models"
    yield "/models/pets@1"
    yield "/files"
    yield "/operations"
    yield "/tokens"
    yield "/audit"
    yield "/webhooks"
    with backend.database.write() as session:
        given = {"name": "chat", "url": "https://a.example/", "events": ["failed"]}
        hook = webhooks.create(session, **given, destinations=backend.settings.webhook_destinations)
    yield f"/webhooks/{hook.id}"
    yield f"/jobs/{uuid.uuid4()}"  # not found


def is_page(rule: Rule) -> bool:
    return (
        rule.endpoint.startswith("pages.") and "GET" in (rule.methods or ()) and rule.endpoint not in NO_PAGES
    )


def test_axe_finds_no_fault_on_any_page(page: Page, site: str, world: World, app: Flask) -> None:
    found: list[str] = []
    seen: set[str] = set()
    endpoint_of = app.url_map.bind("localhost").match
    for address in addresses(world):
        page.goto(site + address)
        seen.add(endpoint_of(urlsplit(address).path)[0])
        found += (f"{address}: {one}" for one in violations(page))
    assert found == []
    every = {rule.endpoint for rule in app.url_map.iter_rules() if is_page(rule)}
    assert every - seen == set(), "each has an address above"


def test_axe_finds_no_fault_in_menus_refused_forms_and_the_login(page: Page, site: str, world: World) -> None:
    world.model()
    found: list[str] = []

    def look(what: str) -> None:
        found.extend(f"{what}: {one}" for one in violations(page))

    page.goto(site)
    for menu in ("New job", "admin"):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.get_by_role("button", name=menu).click()
        look(f"the menu {menu}")
        page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 900})
    page.get_by_role("button", name="Menu").click()
    look("the menu of a narrow window")
    for address, button in (
        *((f"/new/{kind}", None) for kind in ("train", "predict", "sentiment", "import", "register")),
        ("/tokens", "Create token"),
        ("/webhooks", "Add"),
        ("/models/pets@1", "Set"),
    ):
        page.goto(site + address)
        refuse(page, button)
        look(f"refused, {address}")
    page.context.clear_cookies()
    page.goto(site)
    look("the login")
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    look("the login, refused")
    assert found == []


def refuse(page: Page, button: str | None) -> None:
    """Send a form as it is, without the checks of the browser."""
    page.evaluate("() => { for (const form of document.forms) form.noValidate = true; }")
    main = page.locator("main")
    (main.get_by_role("button", name=button) if button else main.locator("[type=submit]")).last.click()
    page.locator("[aria-invalid], .is-invalid, [role=alert]").first.wait_for()

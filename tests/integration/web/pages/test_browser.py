"""What the scripts of every page do, in a real browser."""

import re
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from jobyard.shared import jobs, tokens
from jobyard.shared.jobs import Job
from jobyard.shared.logins import Login
from tests.conftest import TOKEN
from tests.integration.web.world import KINDS, World

# What stands out of the window.
WIDEST = """() => [...document.querySelectorAll("main *")]
    .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
    .map((each) => each.outerHTML.slice(0, 120)).slice(0, 3)"""
expect.set_options(timeout=60_000)


def end_logins(world: World) -> None:
    with world.backend.database.write() as session:
        session.execute(sa.delete(Login))


def progress(world: World, job: Job, done: int) -> None:
    with world.backend.database.write() as session:
        lease = jobs.get(session, job.id).lease
        assert lease is not None
        made = jobs.Progress("work", done, 100, "batches", 83.0)
        assert jobs.heartbeat(session, job.id, lease, lease_seconds=60, progress=made)


def test_a_link_to_a_job_opens_the_job_after_the_login(site: str, chromium: Browser, world: World) -> None:
    job = world.job("texts", "succeeded")
    visitor = chromium.new_page()
    visitor.goto(f"{site}/jobs/{job.id}?label=positive#result")
    expect(visitor.get_by_label("Token")).to_be_focused()
    visitor.keyboard.type("wrong")
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_role("alert")).to_contain_text("wrong, expired or revoked")
    visitor.get_by_label("Token").fill(TOKEN)
    visitor.keyboard.press("Enter")
    visitor.wait_for_url(f"{site}/jobs/{job.id}?label=positive#result")
    expect(visitor.locator("#result")).to_be_visible()

    visitor.get_by_role("button", name="Log out").click()
    visitor.wait_for_url(f"{site}/login")
    visitor.go_back()
    expect(visitor.get_by_label("Token")).to_be_visible()
    expect(visitor.locator("#result")).to_have_count(0)


def test_a_page_survives_the_end_of_its_login_and_continues_after_another(
    page: Page, site: str, world: World
) -> None:
    job = world.job("texts", "running")
    page.goto(f"{site}/jobs/{job.id}")
    end_logins(world)
    notice = page.locator("#notice")
    expect(notice).to_contain_text("You were logged out")
    expect(page.locator("#progress")).to_be_visible()
    with page.expect_popup() as opened:
        notice.get_by_role("link").click()
    opened.value.get_by_label("Token").fill(TOKEN)
    opened.value.keyboard.press("Enter")
    opened.value.wait_for_url(f"{site}/jobs/{job.id}")
    expect(notice).to_be_empty()


def test_a_server_that_stops_to_answer_is_noticed_within_ten_seconds_and_its_return_too(
    page: Page, site: str, world: World, open_gate: threading.Event
) -> None:
    job = world.job("texts", "running")
    page.clock.install()
    page.goto(f"{site}/jobs/{job.id}")
    notice = page.locator("#notice")
    expect(notice).to_be_empty()
    open_gate.clear()
    page.clock.run_for(9_900)
    expect(notice).to_have_text(
        re.compile(r"The server has not answered since \d\d:\d\d:\d\d\. Trying again")
    )
    assert notice.get_attribute("role") == "status"
    open_gate.set()
    progress(world, job, 80)
    expect(notice).to_be_empty()
    with world.backend.database.write() as session:
        jobs.cancel(session, job.id)
        session.execute(sa.delete(Job))
    page.clock.run_for(9_900)
    expect(notice).to_have_text("What this page shows was deleted.")


def test_the_title_has_the_state_and_changes_are_read_aloud_by_quarters(
    page: Page, site: str, world: World
) -> None:
    job = world.job("texts", "running")
    with world.backend.database.write() as session:
        jobs.edit(session, job.id, jobs.Edit({"name": "שלום birds"}))
    page.goto(f"{site}/jobs/{job.id}")
    expect(page).to_have_title("running 37 % · \u2068שלום birds\u2069 · Jobyard")
    said = page.locator("#announcement")
    page.locator("#cancel").focus()
    progress(world, job, 49)
    expect(page).to_have_title(re.compile("^running 49 %"))
    expect(said).to_have_text("Running 25 %")
    progress(world, job, 80)
    expect(said).to_have_text("Running 75 %")
    expect(page.locator("#cancel")).to_be_focused()
    with world.backend.database.write() as session:
        jobs.cancel(session, job.id)
    expect(page).to_have_title(re.compile("^cancelling"))
    page.goto(site)
    expect(page).to_have_title("1 running · Jobs · Jobyard")
    world.job("texts", "queued")
    expect(page).to_have_title("1 running, 1 queued · Jobs · Jobyard")


def test_times_are_the_reader_s_with_the_zone_said_also_after_an_update(
    page: Page, site: str, world: World, chromium: Browser
) -> None:
    job = world.job("texts", "running")
    with world.backend.database.write() as session:
        session.execute(sa.update(Job).values(created_at=sa.text("'2026-01-31 23:30:00'")))
    page.goto(f"{site}/jobs/{job.id}")
    created = page.locator("#details time").first
    expect(created).to_have_text("2026-02-01 00:30:00 CET")
    expect(created).to_have_attribute(
        "title", "2026-02-01 00:30:00 CET (Europe/Berlin), 2026-01-31 23:30:00 UTC"
    )
    progress(world, job, 80)
    expect(page).to_have_title(re.compile("80 %"))
    expect(created).to_have_text("2026-02-01 00:30:00 CET")
    plain = chromium.new_page(java_script_enabled=False)
    plain.goto(f"{site}/login?token={TOKEN}&next=/jobs/{job.id}")
    expect(plain.locator("#details time").first).to_have_text("2026-01-31 23:30:00 UTC")


@pytest.mark.parametrize(
    ("address", "button", "field"),
    [("/new/import", "Import", "name"), ("/tokens", "Create token", "name"), ("/webhooks", "Add", "name")],
)
def test_a_refused_form_leads_to_the_first_wrong_field(
    page: Page, site: str, address: str, button: str, field: str
) -> None:
    page.goto(f"{site}{address}")
    page.evaluate("() => { for (const form of document.forms) form.noValidate = true; }")
    page.locator("main").get_by_role("button", name=button).click()
    wrong = page.locator(f"#{field}")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_accessible_description(re.compile("[a-z]{3}"))


def test_an_upload_asks_before_its_page_is_left_and_can_be_cancelled(
    page: Page, site: str, world: World, tmp_path: Path
) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("I love it\n")
    page.goto(f"{site}/new/sentiment?source=file")
    # What is posted stays under way.
    page.route(
        "**/new/sentiment", lambda route: None if route.request.method == "POST" else route.continue_()
    )
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Score").click()
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    with page.expect_event("dialog"):
        page.evaluate("location.assign('/models')")
    assert page.url == f"{site}/new/sentiment?source=file"
    cancel.click()
    expect(page.locator("[data-upload-status]")).to_have_text("Cancelled: nothing was submitted.")
    page.goto(f"{site}/models")
    assert asked == ["beforeunload"]
    with world.backend.database.read() as session:
        assert session.scalars(sa.select(Job.id).where(Job.kind == "sentiment")).all() == []


def test_texts_are_submitted_and_a_job_opened_with_the_keyboard_alone(site: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(site)
    page.keyboard.type(TOKEN)  # the field has the focus
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    tab_to(page, "button:has-text('New job')", "Shift+Tab")
    page.keyboard.press("Enter")
    menu = page.locator(".dropdown-menu.show")
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(page.get_by_role("button", name="New job")).to_be_focused()
    tab_to(page, "nav [href$='/new/sentiment']", "ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/new/sentiment")

    tab_to(page, "textarea[name='texts']")
    page.keyboard.type("I love it")
    tab_to(page, "main [type='submit']")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/jobs/"))
    address = page.url
    expect(page.locator("#progress")).to_contain_text("Next in its queue")
    page.go_back()
    page.wait_for_url(f"{site}/new/sentiment")
    tab_to(page, "a:has-text('Back to jobs')")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/")
    tab_to(page, f"a[href='{address.removeprefix(site)}']")
    page.keyboard.press("Enter")
    page.wait_for_url(address)


def test_a_choice_looks_chosen_only_once_it_is(page: Page, site: str) -> None:
    page.goto(f"{site}/tokens")
    scope = page.locator("#scope-read")
    colour = scope.evaluate("each => getComputedStyle(each).backgroundColor")
    expect(scope).not_to_be_checked()
    scope.check()
    expect(scope).not_to_have_css("background-color", colour)


def test_a_reader_s_list_has_no_box_for_all_rows_unless_there_are_rows_to_compare(
    page: Page, site: str, chromium: Browser, world: World
) -> None:
    world.job("texts", "succeeded"), world.job("train", "succeeded")
    with world.backend.database.write() as session:
        made = {"name": "reader", "scope": tokens.Scope.READ, "expires_seconds": None, "created_by": "admin"}
        _, secret = tokens.create(session, **made)
    reader = chromium.new_page()
    reader.goto(f"{site}/login?token={secret}")
    for query, boxes in (("", 1), ("?kind=sentiment", 0)):
        reader.goto(f"{site}/{query}")
        expect(reader.locator(".run-choice")).to_have_count(boxes)
        expect(reader.locator("#select-page")).to_be_visible(visible=bool(boxes))
    page.goto(f"{site}/?kind=sentiment")
    expect(page.locator("#select-page")).to_be_visible()


# From right to left, with as few places to break a line at as names have, and as long as they may be.
LONG = ("שלום_" * 20 + "🐦‍⬛" + "birdsbirds" * 20)[:150]


def test_long_names_and_those_from_right_to_left_break_no_layout(page: Page, site: str, world: World) -> None:
    long = World(world.backend, LONG)
    addresses = ["/", "/files", "/datasets/pets@1", "/models/pets@1", "/operations"]
    for kind in KINDS:
        job = long.job(kind, "succeeded")
        addresses.append(f"/jobs/{job.id}")
        with world.backend.database.write() as session:
            jobs.edit(
                session, job.id, jobs.Edit({"name": LONG + LONG[:50], "note": LONG}, {"team": LONG[:63]})
            )
    failed = long.job("texts", "failed")
    addresses.append(f"/jobs/{long.job('texts', 'running').id}")
    addresses += [
        f"/jobs/{failed.id}",
        f"/jobs/{failed.id}/edit",
        f"/compare?jobs={long.job('train', 'succeeded').id}",
    ]
    wide = []
    for address in addresses:
        page.goto(site + address)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
                wide.append((address, width, page.evaluate(WIDEST)))
    assert wide == []


def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Press the key until this has the focus, as it has after a few dozen of them at most."""
    wanted = page.locator(selector)
    expect(wanted.first).to_be_attached()
    for _ in range(60):
        page.keyboard.press(key)
        if wanted.evaluate_all("(all) => all.includes(document.activeElement)"):
            return
    raise AssertionError(f"{selector} does not get the focus")

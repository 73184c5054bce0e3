"""The dashboard in a real browser: Debian's Chromium."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tests.acceptance.conftest import PATIENCE, Stack
from tests.axe import violations
from tests.browsers import launched
from tests.factories import draw, draw_dataset

MILLISECONDS = PATIENCE * 1_000
expect.set_options(timeout=MILLISECONDS)


@pytest.fixture
def page(stack: Stack) -> Iterator[Page]:
    """Logged in by the link that `jobyard up` prints. Any error in the page's console fails the test."""
    with launched() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(MILLISECONDS)
        complaints: list[str] = []
        elsewhere: list[str] = []
        opened.on("console", lambda said: complaints.append(said.text) if _is_complaint(said) else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((stack.url, "data:", "blob:")) else elsewhere.append(asked.url)
            ),
        )
        opened.goto(f"{stack.url}/login?token={stack.token}")
        yield opened
    assert complaints == []
    assert elsewhere == [], "no asset comes from another host"


def _is_complaint(said: ConsoleMessage) -> bool:
    """Chromium also reports an answer of 422, as a refused form has it, and of 401, as a lost login has.

    It reports one of 503, too: a file is looked at again when a worker is free.
    """
    is_busy = "status of 503" in said.text and "/preview" in said.location["url"]
    return said.type == "error" and not is_busy and not re.search("status of (401|422)", said.text)


def _has_succeeded(page: Page) -> None:
    expect(page.locator("#live")).to_contain_text(
        re.compile("succeeded", re.IGNORECASE), timeout=MILLISECONDS
    )


def test_texts_are_submitted_and_seen_to_finish(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/new/sentiment")
    page.get_by_label("Texts", exact=True).last.fill("I love this product!\nTotally awful!")
    page.get_by_role("button", name="Score").click()
    page.wait_for_url(re.compile("/jobs/"))
    _has_succeeded(page)
    expect(page.get_by_text("I love this product!")).to_be_visible()
    expect(page.locator("#live")).to_contain_text(re.compile("positive", re.IGNORECASE))


def test_a_file_is_scored_and_its_rows_are_found(page: Page, stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    lines = [
        f"{number},{'shop' if number % 2 else 'fair'},{'I love' if number % 3 else 'I hate'} it {number}"
        for number in range(90)
    ]
    path.write_text("\n".join(["id,place,review", *lines]) + "\n")
    page.goto(f"{stack.url}/new/sentiment")
    page.get_by_text("A file", exact=True).click()
    page.locator("input[type=file]").set_input_files(path)
    page.locator("select#column").select_option("review")
    page.locator("select#group_by").select_option("place")
    page.get_by_role("button", name="Score").click()
    page.wait_for_url(re.compile("/jobs/"))
    _has_succeeded(page)
    expect(page.locator("#groups")).to_contain_text("2 groups by place")
    page.get_by_label("Label", exact=True).select_option("negative")
    page.get_by_label("Order", exact=True).select_option("-compound")
    page.get_by_label("Search in the texts").fill("HATE IT 8")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("label=negative"))
    expect(page.locator("#rows tbody tr")).to_have_count(3)  # 81, 84 and 87
    expect(page.get_by_label("Label", exact=True)).to_have_value("negative")


def test_a_file_is_looked_at_its_columns_are_chosen_by_keyboard_and_a_lost_login_loses_nothing(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("id;title;review\n7;Kettle;I love it, really\n8;Lamp;I hate it\n")
    looks: list[str] = []
    page.on("request", lambda request: looks.append(request.url) if "/previews" in request.url else None)
    page.goto(f"{stack.url}/new/sentiment?source=file")
    page.locator("input[type=file]").set_input_files(path)
    look = page.locator("[data-look-panel]")
    expect(look.get_by_role("status")).to_have_text("CSV, separated by semicolons · 3 columns · 2 rows")
    expect(look.get_by_role("cell", name="I love it, really")).to_be_visible()
    column, group = page.get_by_label("Column of texts"), page.get_by_label("Group by")
    before = len(looks)
    assert before
    column.focus()
    page.keyboard.type("review")
    page.keyboard.press("Tab")
    expect(group).to_be_focused()
    page.keyboard.type("title")
    expect(look.locator("th.is-chosen")).to_have_text("review")
    expect(look.get_by_text("choose the column", exact=False)).to_have_count(0)
    expect(group).to_have_value("title")
    assert len(looks) == before, "what is chosen was known, so the head is not sent again"
    assert [*violations(page)] == []

    page.context.clear_cookies()
    page.get_by_role("button", name="Score").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Log in again")
    expect(dialog.get_by_label("Token")).to_be_focused()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("This token is wrong, expired or revoked.")
    assert [*violations(page)] == []
    page.keyboard.type(stack.token)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/jobs/[0-9a-f-]+$"))
    _has_succeeded(page)
    expect(page.locator("#groups")).to_contain_text("2 groups by title")

    page.goto(f"{stack.url}/new/sentiment?source=file")
    page.locator("input[type=file]").set_input_files(path)
    page.locator("select#delimiter").select_option("none")
    expect(look.get_by_role("status")).to_have_text("One text per line · 1 column · 3 rows")
    page.locator("select#delimiter").select_option("pipe")
    expect(look.get_by_role("status")).to_have_text("CSV, separated by pipes · 1 column · 2 rows")

    page.goto(f"{stack.url}/new/sentiment?source=file")
    path.write_bytes("text,n\ncafé,1\n".encode("latin-1"))
    page.locator("input[type=file]").set_input_files(path)
    expect(look).to_contain_text("1 broken row, the first on line 2: byte 4 is not UTF-8")
    page.get_by_label("Encoding").select_option("iso8859-1")
    expect(look.get_by_role("cell", name="café")).to_be_visible()
    empty = tmp_path / "empty.csv"
    empty.touch()
    page.locator("input[type=file]").set_input_files(empty)
    expect(look.get_by_role("status")).to_have_text("empty.csv is empty.")


def test_a_form_says_what_fields_default_to_with_the_chosen_network(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    page.goto(f"{stack.url}/new/train")
    network, epochs, size = (page.locator(f"#{name}") for name in ("network", "epochs", "image_size"))
    nothing = page.locator("#optimizer option").first
    expect(epochs).to_have_attribute("placeholder", "20")
    network.select_option("compact")
    expect(epochs).to_have_attribute("placeholder", "36")
    expect(nothing).to_have_text("default (muon)")
    network.select_option("")
    expect(size).to_have_attribute("placeholder", "256")
    expect(nothing).to_have_text("default (adam)")

    (tmp_path / "net.json").write_text("{}")
    page.locator("#architecture").set_input_files(tmp_path / "net.json")
    expect(epochs).to_have_attribute("placeholder", "30")
    expect(size).to_have_attribute("placeholder", "")
    network.select_option("classic")
    expect(epochs).to_have_attribute("placeholder", "10")


def test_pictures_are_imported_trained_on_and_predicted(page: Page, stack: Stack, tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "forms")
    archive = tmp_path / "forms.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in folder.rglob("*.png"):
            packed.write(file, file.relative_to(folder))
    page.goto(f"{stack.url}/new/import")
    page.get_by_label("Name of the data set").fill("by-browser")
    page.locator("input[type=file]").set_input_files(archive)
    page.get_by_role("button", name="Import").click()
    page.wait_for_url(re.compile("/jobs/"))
    _has_succeeded(page)

    page.goto(f"{stack.url}/new/train?dataset=by-browser@1")
    page.get_by_label("Epochs", exact=True).fill("4")
    page.get_by_label("Picture size").fill("32")
    page.get_by_role("button", name="Train").click()
    page.wait_for_url(re.compile("/jobs/"))
    # The chart is there before the training has ended, or at the latest then.
    expect(page.get_by_role("img", name="Accuracy by epoch")).to_be_visible()
    _has_succeeded(page)
    expect(page.locator("#live")).to_contain_text("by-browser@1")

    page.goto(f"{stack.url}/new/predict?model=by-browser@1")
    page.get_by_label("Show which regions support each label").check()
    # Dropped, a picture is sent at once.
    _drop(page, draw(tmp_path / "what.png", "discs", seed=7), page.locator("#images"))
    page.wait_for_url(re.compile("/jobs/"))
    _has_succeeded(page)
    expect(page.get_by_text("what.png").first).to_be_visible()
    overlay = page.get_by_alt_text("Regions that support")
    expect(overlay).to_be_visible()
    assert overlay.evaluate("image => image.naturalWidth") > 0


def _drop(page: Page, file: Path, target: Locator) -> None:
    """As a hand does it: the browser itself puts the file where it is dropped."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box is not None
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})


def test_the_job_list_updates_itself(page: Page, stack: Stack) -> None:
    page.goto(stack.url)
    with stack.client() as client:
        job = client.score(["a text that arrives while the page is open"])
    expect(page.locator(f"a[href*='{job.id}']").first).to_be_visible(timeout=MILLISECONDS)


def test_the_list_stands_still_while_jobs_are_selected(page: Page, stack: Stack) -> None:
    with stack.client() as client:
        client.score(["a text to select"])
    page.goto(stack.url)
    page.evaluate("""() => {
        window.asked = 0;
        const fetch = window.fetch;
        window.fetch = (...given) => { window.asked += 1; return fetch(...given); };
    }""")
    # As when a reader comes back to the page, which asks at once.
    come_back = "() => { document.dispatchEvent(new Event('visibilitychange')); return window.asked; }"
    choice = page.get_by_role("checkbox", name="Select").first
    choice.check()
    before = page.evaluate("() => window.asked")
    assert page.evaluate(come_back) == before
    choice.uncheck()
    assert page.evaluate(come_back) > before


def test_what_a_script_has_drawn_keeps_its_look_when_the_page_updates_itself(
    page: Page, stack: Stack
) -> None:
    page.goto(stack.url)
    classes = page.evaluate("""async () => {
        const live = document.querySelector('script[src*="live.js"]').src;
        const { morph } = await import(new URL("morph.js", live));
        const make = (classes, keep) => {
            const made = document.createElement("div");
            made.className = classes;
            made.toggleAttribute("data-keep", keep);
            return made;
        };
        const [chart, other] = [make("chart drawn", true), make("chart drawn", false)];
        morph(chart, make("chart", true));
        morph(other, make("chart", false));
        return [chart.className, other.className];
    }""")
    assert classes == ["chart drawn", "chart"]


def test_a_wrong_field_is_said_beside_it_and_the_input_kept(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/new/import")
    page.get_by_label("Name of the data set").fill("no/slashes")
    # The browser's own check would stop it before the server sees it.
    page.locator("form").last.evaluate("form => { form.noValidate = true }")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("should be of letters, digits")).to_be_visible()
    expect(page.get_by_label("Name of the data set")).to_have_value("no/slashes")


def test_a_login_ends_by_its_button(page: Page, stack: Stack) -> None:
    page.goto(stack.url)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile("/login$"))
    page.get_by_label("Token").fill(stack.token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_a_visitor_without_the_token_sees_nothing(stack: Stack) -> None:
    with launched() as browser:
        visitor = browser.new_page()
        answer = visitor.goto(f"{stack.url}/")
        assert answer is not None
        assert answer.status == 401
        assert "jobyard up" in visitor.inner_text("body")

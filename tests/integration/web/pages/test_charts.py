"""The charts in a real browser: their ticks, how they grow, how one zooms, and what is said of them."""

import math

from playwright.sync_api import Page, expect

from jobyard.shared import metrics
from jobyard.shared.jobs import Job
from tests.integration.web.world import World

# What is written on the canvas of the chart of accuracies.
WATCH = """() => {
    window.written = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
        if (this.canvas.closest("#chart-accuracy")) window.written.push(text);
        return write.call(this, text, ...place);
    };
}"""


def report(world: World, job: Job, first: int, last: int, lost: tuple[int, ...] = ()) -> None:
    """What a training reports after these epochs; `lost` have no finite loss."""
    points = [
        metrics.Point(name, epoch, math.nan if epoch in lost and name == "loss" else value / epoch, epoch)
        for epoch in range(first, last + 1)
        for name, value in (("loss", 2.0), ("accuracy", 0.9), ("val_loss", 3.0), ("val_accuracy", 0.8))
    ]
    with world.backend.database.write() as session:
        metrics.write(session, job.id, points)


def ticks(page: Page) -> list[float]:
    """The numbers at the axis of epochs; those at the other axis are shares, with a sign."""
    written = page.evaluate("() => window.written.splice(0)")
    return sorted({float(text.replace(",", "")) for text in written if text[0].isdigit() and "%" not in text})


def test_a_training_s_charts_have_whole_epochs_a_summary_and_a_table(
    page: Page, site: str, world: World
) -> None:
    job = world.job("train", "running")
    report(world, job, 1, 1)
    page.add_init_script(f"({WATCH})()")
    page.goto(f"{site}/jobs/{job.id}")
    accuracy, loss = (page.locator(f"#chart-{name}") for name in ("accuracy", "loss"))
    expect(accuracy.get_by_role("img")).to_have_accessible_name(
        "Accuracy by epoch. training at 1: last 90.0 %, lowest 90.0 %, highest 90.0 %; "
        "validation at 1: last 80.0 %, lowest 80.0 %, highest 80.0 %."
    )
    page.wait_for_function("() => window.written.includes('epoch')")
    assert ticks(page) == [1]
    accuracy.locator("canvas").evaluate("canvas => { canvas.dataset.first = 'yes'; }")
    report(world, job, 2, 3, lost=(2,))
    expect(accuracy.get_by_role("img")).to_have_accessible_name(
        "Accuracy by epoch. training from 1 to 3: last 30.0 %, lowest 30.0 %, highest 90.0 %; "
        "validation from 1 to 3: last 26.7 %, lowest 26.7 %, highest 80.0 %."
    )
    assert accuracy.locator("canvas").get_attribute("data-first") == "yes", "it grows, and is not made anew"

    loss.get_by_text("Values").click()
    rows = loss.locator("tbody tr")
    expect(rows).to_have_text(["123", "2–1.5", "30.66671"])
    report(world, job, 4, 4)
    expect(rows).to_have_count(4)
    page.evaluate("() => window.written.splice(0)")
    page.set_viewport_size({"width": 1000, "height": 900})
    page.wait_for_function("() => window.written.includes('epoch')")
    assert ticks(page) == [1, 2, 3, 4]


def test_a_chart_is_zoomed_by_dragging_and_reset_by_a_double_click(
    page: Page, site: str, world: World
) -> None:
    job = world.job("train", "succeeded")
    report(world, job, 1, 500)
    page.add_init_script(f"({WATCH})()")
    page.goto(f"{site}/jobs/{job.id}")
    over = page.locator("#chart-accuracy .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    page.wait_for_function("() => window.written.includes('epoch')")
    assert max(ticks(page)) == 500
    row = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, row)
    expect(over.locator(".chart-tooltip")).to_contain_text("epoch 25")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.505, row)
    page.mouse.move(box["x"] + box["width"] * 0.506, row)
    page.mouse.up()
    page.wait_for_function("() => window.written.includes('epoch')")
    zoomed = ticks(page)
    assert zoomed == [float(int(tick)) for tick in zoomed]
    assert 240 < min(zoomed) <= max(zoomed) < 260
    over.dblclick()
    page.wait_for_function("() => window.written.includes('500')")

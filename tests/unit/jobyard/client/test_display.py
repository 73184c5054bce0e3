"""Jobs as HTML: what is shown, and that nothing that others have named gets out of its place."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.client.display import BADGES, card, table
from jobyard.client.job import JobFields
from jobyard.client.sparklines import LABEL_COLOURS, TRAINING, VALIDATION
from jobyard.shared.jobs.briefs import brief_of
from tests.unit.jobyard.client.jobs import history, job

PAGE = "http://127.0.0.1:8642/jobs/1"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'</div></svg><style>*{}</style>&lt;"


class Read(HTMLParser):
    """What a browser makes of HTML: tags, attributes and words. Tags must be closed in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


ALLOWED = {"div", "span", "strong", "bdi", "a", "code", "svg", "path", "text", "polyline", "circle", "title"}
ALLOWED |= {"rect", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_training_shows_its_state_its_times_what_came_of_it_and_its_curves() -> None:
    evaluation = {"accuracy": 0.9, "accuracy_interval": [0.8, 0.95], "pictures": 40, "split": "validation"}
    result = {
        "model": "pets@3",
        "dataset": "pets@1",
        "evaluation": evaluation,
        "metrics": {"best": {"epoch": 2}},
    }
    points = history(loss=[0.7, 0.5, 0.4], val_loss=[0.8, 0.6, None], accuracy=[0.5, 0.8, 0.9])
    html = card(job(result=result), PAGE, points)
    read = Read(html)
    assert "succeeded compact on pets@1" in read.words
    assert "ran 1 min 5 s" in read.words
    assert "model: pets@3" in read.words
    assert "accuracy: 90.0% (80.0% to 95.0%) of 40 pictures (validation)" in read.words
    assert "best epoch: 2" in read.words
    assert read.links == [PAGE]
    # Two curves of loss and one of accuracy; a value that was not finite is a gap.
    assert html.count("<polyline") == 3
    assert TRAINING in html
    assert VALIDATION in html
    assert "epoch 1" in read.words


def test_a_job_that_runs_or_waits_says_how_far_and_why() -> None:
    progress = {"done": 3, "total": 12, "unit": "batches"}
    running = card(job(state="running", phase="training epoch 1/4", progress=progress), PAGE)
    assert "training epoch 1/4 · 3 of 12 batches" in Read(running).words
    assert 'aria-valuenow="25"' in running
    queued = Read(card(job(state="queued", position=7, waiting_for="the queue gpu is paused: repairs"), PAGE))
    assert "number 7 in its queue: the queue gpu is paused: repairs" in queued.words
    assert "ran" not in queued.words


def test_scored_texts_show_their_labels_and_the_histogram() -> None:
    histogram = {"edges": [-1, -0.5, 0, 0.5, 1], "counts": [1, 0, 0, 3]}
    labels = {"positive": 3, "neutral": 0, "negative": 1}
    result = {"rows": 4, "mean": 0.25, "labels": labels, "histogram": histogram}
    html = card(job("sentiment", result=result), PAGE)
    assert "positive 3 (75%)" in Read(html).words
    assert "mean compound: +0.250" in Read(html).words
    assert 'width="75.000%"' in html
    assert all(colour in html for colour in LABEL_COLOURS.values())
    assert "0.50 to 1.00: 3" in Read(html).words


def test_a_prediction_shows_its_most_frequent_labels() -> None:
    labels = {"a": 1, "b": 2_000, "c": 0, "d": 0, "e": 0, "f": 3}
    read = Read(card(job("predict", result={"model": "pets@1", "count": 2_004, "labels": labels}), PAGE))
    assert "pictures: 2,004" in read.words
    assert "labels: b 2,000, f 3, a 1, c 0, d 0" in read.words


@pytest.mark.parametrize("padding", [0, 300, 3_000, 30_000])
def test_a_job_of_a_list_is_shown_whatever_was_cut(padding: int) -> None:
    classes = [f"class {number}" for number in range(padding // 30)]
    long = {
        "warnings": ["x" * 90] * (padding // 100),
        "labels": dict.fromkeys(classes, 1) | {"positive": 3, "neutral": 0, "negative": 1},
        "histogram": {"edges": [round(-1 + number / 20, 2) for number in range(41)], "counts": [1] * 40},
        "evaluation": {"accuracy": 0.5, "pictures": 2, "split": "test", "confusion": [[1] * 9] * 9},
        "metrics": {"best": {"epoch": 2, **dict.fromkeys(classes, 0.5)}},
        "model": "pets@1" + "x" * padding,
        "count": 4,
    }
    value, cuts = brief_of(long)
    cut = [".".join(("result", *one["path"])) for one in cuts]
    for kind in ("train", "evaluate", "predict", "sentiment"):
        shown = job(kind, result=value, truncated=cut)
        assert shown.title in Read(card(shown, PAGE)).words
        assert shown.title in Read(table([listed(shown)])).words


def test_a_failure_shows_its_error() -> None:
    failed = Read(card(job(state="failed", error={"type": "BadInput", "message": "no column 'x'"}), PAGE))
    assert "BadInput: no column 'x'" in failed.words


def listed(shown: JobFields, page: str | None = PAGE) -> Any:
    shown.page = page  # type: ignore[attr-defined]
    return shown


anything = st.one_of(st.just(HOSTILE), st.text(max_size=40))


@given(anything, anything, anything, st.sampled_from(sorted(BADGES)))
def test_whatever_others_have_named_stays_text(name: str, told: str, unit: str, state: str) -> None:
    shown = job(
        kind=told,
        state=state,
        title=name,
        phase=told,
        position=1,
        waiting_for=unit,
        progress={"done": 1, "total": 2, "unit": unit},
        error={"type": name, "message": told},
        result={"model": name, "warnings": [told, unit]},
    )
    for html in (card(shown, PAGE), table([listed(shown)])):
        read = Read(html)
        assert read.tags <= ALLOWED
        assert not {one for one in read.attributes if one.startswith("on")}
        assert read.links == [PAGE]
    assert name.replace("\r", "\n") in Read(card(shown, PAGE)).words.replace("\r", "\n")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", None])
def test_a_link_leads_to_a_web_server_only(address: str | None) -> None:
    assert Read(card(job(), address)).links == []
    assert Read(table([listed(job(), address)])).links == []


def test_an_address_stays_in_its_attribute() -> None:
    hostile = 'http://a/"onmouseover="alert(1)'
    assert Read(card(job(), hostile)).links == [hostile]


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_states_can_be_read_and_charts_seen_on_light_and_on_dark() -> None:
    assert {state for state, colour in BADGES.items() if contrast(colour, "#ffffff") < 4.5} == set()
    drawn = (TRAINING, VALIDATION, *LABEL_COLOURS.values())
    # White, and the backgrounds of JupyterLab's and VS Code's dark themes.
    for background in ("#ffffff", "#111111", "#1f1f1f"):
        assert [colour for colour in drawn if contrast(colour, background) < 3] == []

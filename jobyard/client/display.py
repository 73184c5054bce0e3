"""A job as HTML, for notebooks: what is known of it, without a request, a script or a style sheet.

What people and other programs have named is escaped; links lead to the server only.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Final, Protocol

from jobyard.client import sparklines
from jobyard.client.errors import Json
from jobyard.client.positions import Placed, where

# Behind white letters, with a contrast of at least 4.5.
BADGES: Final = {
    "succeeded": "#1a7f37",
    "failed": "#c62828",
    "cancelled": "#57606a",
    "running": "#0969da",
    "queued": "#57606a",
    "waiting": "#8a5a00",
    "paused": "#8a5a00",
}
BOX: Final = (
    "border:1px solid rgba(128,128,128,.45);border-radius:8px;padding:.7em 1em;margin:.3em 0;"
    "max-width:44em;font-size:.95em;line-height:1.5;overflow-wrap:anywhere"
)
# Of an error's message, and of a title.
LONGEST_TEXT: Final = 2_000
# Of a prediction, the most frequent ones.
SHOWN_LABELS: Final = 5


class Shown(Placed, Protocol):
    """What is shown of a job: `Job` and `AsyncJob` have it."""

    id: str
    kind: str
    raw: Json
    spec: Json
    result: Json | None
    error: Json | None
    progress: Json | None
    created_at: str
    started_at: str | None
    finished_at: str | None

    @property
    def title(self) -> str: ...
    @property
    def succeeded(self) -> bool: ...


class Listed(Shown, Protocol):
    """What is shown of a job in a table."""

    @property
    def page(self) -> str | None: ...


def card(job: Shown, address: str | None, history: Iterable[Json] = ()) -> str:
    """A job as it was last read: its state, progress, times, what came of it, and a link to its page.

    `history` are the metrics of a training as far as they are known.
    """
    title = f"<strong><bdi>{_text(job.title)}</bdi></strong>"
    page = f" · {link}" if (link := _link(address, "open its page")) else ""
    about = f"<div>{_text(job.kind)} · <code>{_text(job.id)}</code>{page}</div>"
    parts = [f"<div>{_badge(job.state)} {title}</div>{about}"]
    if not job.done:
        parts.append(_under_way(job))
    parts.append(f"<div>{_text(_times(job))}</div>")
    if job.error:
        parts.append(
            f'<div style="border-left:3px solid {BADGES["failed"]};padding-left:.7em;margin-top:.5em;'
            f'white-space:pre-wrap"><strong>{_text(job.error.get("type", "error"))}</strong>: '
            f"{_text(job.error.get('message', ''))}</div>"
        )
    parts.append(_facts(facts(job)))
    parts.append(_chart(job, history))
    return f'<div style="{BOX}">{"".join(parts)}</div>'


def table(jobs: Sequence[Listed]) -> str:
    """Several jobs, a row each."""
    rows = []
    for job in jobs:
        address = job.page
        title = f"<bdi>{_text(job.title)}</bdi>"
        title = _link(address, title) or title
        now = "" if job.done else where(job)
        told = "; ".join(f"{name} {value}" for name, value in facts(job))
        said = str(job.error.get("message", "")) if job.error else now or told
        cells = (_badge(job.state), title, _text(job.kind), _text(_took(job)), _text(said))
        rows.append("<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>")
    heads = "".join(
        f'<th style="text-align:left">{head}</th>'
        for head in ("state", "job", "kind", "took", "what is known")
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def facts(job: Shown) -> list[tuple[str, str]]:
    """What came of a job in a few words: (name, value)."""
    result = job.result
    if not job.succeeded or not result:
        return []
    found = {
        name: str(result[name])
        for name in ("model", "dataset", "file", "format")
        if isinstance(result.get(name), str)
    }
    if job.kind in ("train", "evaluate"):
        found.pop("format", None)
        found |= _judged(result.get("evaluation") or {})
    if (pictures := result.get("count")) is not None and job.kind == "predict":
        found["pictures"] = f"{pictures:,}"
        labels = sorted((result.get("labels") or {}).items(), key=lambda item: -item[1])
        # A job of a list may lack the most frequent ones.
        if labels and not any(path.startswith("result") for path in job.raw.get("truncated") or ()):
            found["labels"] = ", ".join(f"{name} {number:,}" for name, number in labels[:SHOWN_LABELS])
    if job.kind == "sentiment":
        count = result.get("rows", result.get("count"))
        found |= {} if count is None else {"texts": f"{count:,}"}
        if isinstance(mean := result.get("mean"), float):
            found["mean compound"] = f"{mean:+.3f}"
    if isinstance(warnings := result.get("warnings"), list) and warnings:
        found["warnings"] = " · ".join(map(str, warnings))
    return list(found.items())


def best_epoch(result: Json | None) -> int | None:
    """The epoch whose weights a training kept."""
    best = ((result or {}).get("metrics") or {}).get("best") or {}
    epoch: int | None = best.get("epoch")
    return epoch


def _judged(evaluation: Json) -> dict[str, str]:
    if evaluation.get("accuracy") is None:
        return {}
    said = f"{evaluation['accuracy']:.1%}"
    if interval := evaluation.get("accuracy_interval"):
        said += f" ({interval[0]:.1%} to {interval[1]:.1%})"
    if (pictures := evaluation.get("pictures")) is not None:
        said += f" of {pictures:,} pictures ({evaluation.get('split')})"
    return {"accuracy": said}


def _chart(job: Shown, history: Iterable[Json]) -> str:
    result = job.result or {}
    if job.kind == "train":
        return sparklines.training(history, best_epoch(result))
    if job.kind == "sentiment" and isinstance(result.get("labels"), dict):
        return sparklines.labels(result["labels"], result.get("histogram"))
    return ""


def _link(address: str | None, html: str) -> str:
    """HTML as a link in the colour of the text around it; "" where the address is none of a web server."""
    if not address or not address.startswith(("http://", "https://")):
        return ""
    style = "color:inherit;text-decoration:underline"
    return f'<a href="{escape(address)}" target="_blank" rel="noopener" style="{style}">{html}</a>'


def _badge(state: str) -> str:
    return (
        f'<span style="background:{BADGES.get(state, "#57606a")};color:#fff;border-radius:1em;'
        f'padding:.1em .7em;font-size:.85em;white-space:nowrap">{_text(state)}</span>'
    )


def _under_way(job: Shown) -> str:
    now = job.progress or {}
    done, total = now.get("done"), now.get("total")
    said = where(job)
    if done is not None:
        said += f" · {done:,}{'' if total is None else f' of {total:,}'} {now.get('unit') or ''}".rstrip()
    bar = ""
    if done is not None and total:
        share = min(max(done / total, 0.0), 1.0)
        bar = (
            f'<div role="progressbar" aria-label="progress" aria-valuenow="{share * 100:.0f}" '
            'style="background:rgba(128,128,128,.3);border-radius:4px;height:8px;margin:.4em 0">'
            f'<div style="background:{sparklines.TRAINING};border-radius:4px;height:8px;'
            f'width:{share * 100:.1f}%"></div></div>'
        )
    return f"{bar}<div>{_text(said)}</div>"


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<div><span style="opacity:.75">{_text(name)}:</span> <bdi>{_text(value)}</bdi></div>'
        for name, value in rows
    )


def _times(job: Shown) -> str:
    """When it was submitted by this machine's clock, and how long it took."""
    created = datetime.fromisoformat(job.created_at).astimezone()
    took = _took(job)
    return f"submitted {created:%Y-%m-%d %H:%M:%S %Z}" + (f", ran {took}" if took else "")


def _took(job: Shown) -> str:
    """As "1 min 5 s"; of a job that has not ended nothing: the page would not count on."""
    if job.started_at is None or job.finished_at is None:
        return ""
    started, finished = map(datetime.fromisoformat, (job.started_at, job.finished_at))
    seconds = max((finished - started).total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _text(value: object) -> str:
    text = str(value)
    return escape(text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…")

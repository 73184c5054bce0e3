"""Numbers, times and jobs in words, as filters of the templates."""

import datetime
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from jobyard.client import explanations, positions, reading, stalls, unseen
from jobyard.shared import kinds, texts
from jobyard.shared.jobs import GLOSS, Count, Job, State, total
from jobyard.shared.kinds.base import Source
from jobyard.shared.kinds.titles import of_part
from jobyard.shared.outcomes import Outcomes
from jobyard.shared.registry import many_classes
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.fields import Field, fields_of

routes.add_app_template_filter(explanations.that_matter)
routes.add_app_template_filter(explanations.reasons)
routes.add_app_template_filter(reading.words, "reading")
routes.add_app_template_filter(reading.place, "place_of")
routes.add_app_template_filter(positions.place_in_queue)
routes.add_app_template_filter(stalls.no_progress)
routes.add_app_template_filter(texts.size)
routes.add_app_template_filter(total)
routes.add_app_template_filter(unseen.kinds, "unseen_kinds")
routes.add_app_template_filter(unseen.foreign, "foreign_texts")

# Between backticks in messages, for they are read in a terminal, too.
FIELD_NAME = re.compile(r"`([a-z_]+)`")
STATE_ICONS = {
    "queued": "hourglass-split",
    "running": "play-fill",
    "waiting": "diagram-3",
    "paused": "pause-fill",
    "succeeded": "check-lg",
    "failed": "x-lg",
    "cancelled": "slash-circle",
}


@routes.app_template_filter()
def kind_name(kind: str) -> str:
    """`train` → "Training"."""
    return kinds.label(kind)


@routes.app_template_filter()
def kind_icon(kind: str) -> str:
    """The name of a Bootstrap icon."""
    found = kinds.of_job(kind)
    return found.icon if found else "question"


@routes.app_template_filter()
def wrong_field(job: Job) -> str | None:
    """The field of a failed job's spec that its error is about."""
    return kinds.wrong_field(job.kind, job.spec, job.error_message) if job.error_message else None


@routes.app_template_filter()
def has_metrics(kind: str) -> bool:
    """Whether jobs of the kind have a metric history, and so can be compared."""
    found = kinds.of_job(kind)
    return found is not None and found.has_metrics


@routes.app_template_filter()
def shortened(evaluation: dict[str, Any] | None) -> dict[str, Any] | None:
    """An evaluation of many classes with the worst only, also where its job kept all of them."""
    return many_classes.shortened(evaluation) if evaluation else None


@routes.app_template_filter()
def result_links(kind: str) -> Sequence[str]:
    """What a job of the kind has beside events and files."""
    return kinds.links(kind, "{}")


@routes.app_template_filter()
def spec_fields(kind: str) -> Mapping[str, Field]:
    """The fields of a kind's spec by name."""
    return fields_of(kind)


@routes.app_template_filter()
def sources_of_form(sources: Iterable[Source]) -> list[tuple[str, str, str]]:
    """Name, label and icon of each source."""
    return [
        (source.name, source.name.replace("_", " ").capitalize(), "box-arrow-in-down") for source in sources
    ]


@routes.app_template_filter()
def state_icon(state: str) -> str:
    """The name of a Bootstrap icon."""
    return STATE_ICONS.get(state, "question")


@routes.app_template_filter()
def gloss(state: str) -> str:
    """What a state means, in a line."""
    return GLOSS[State(state)]


@routes.app_template_filter()
def number(value: float | None) -> str:
    """1234567 → "1,234,567"; fractions keep four digits after the point."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"


@routes.app_template_filter()
def how_many(count: Count) -> str:
    """A number of jobs: "812" where it is exact, "≈ 1,200,000" as last counted, "> 1,000" until then."""
    if count.is_minimum:
        return f"> {count.jobs - 1:,}"
    return number(count.jobs) if count.is_exact else f"≈ {count.jobs:,}"


@routes.app_template_filter()
def ended_lately(outcomes: Outcomes) -> str:
    """ "1,200 ended, 2.5 % failed"."""
    if not outcomes.ended:
        return "none ended"
    rate = outcomes.failure_rate
    return f"{outcomes.ended:,} ended" + ("" if rate is None else f", {percent(rate)} failed")


@routes.app_template_filter()
def plain(value: object) -> str:
    """A value of a spec: True → "yes", 0.001 → "0.001"."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@routes.app_template_filter()
def counted(value: int, noun: str) -> str:
    """(1, "picture") → "1 picture"; (2000, "picture") → "2,000 pictures"; (2, "class") → "2 classes"."""
    plural = noun + ("es" if noun.endswith(("s", "x")) else "s")
    return f"{value:,} {noun if value == 1 else plural}"


@routes.app_template_filter()
def capitalize_first(sentence: str) -> str:
    """Only the first letter: names further on stay as they are."""
    return sentence[:1].upper() + sentence[1:]


@routes.app_template_filter()
def marked(sentence: str) -> Markup:
    """HTML with the names of fields, as `header`, set as code."""
    return Markup(FIELD_NAME.sub(r"<code>\1</code>", str(escape(sentence))))  # noqa: S704 - is escaped


@routes.app_template_filter()
def percent(value: float | None, digits: int = 1) -> str:
    """0.9321 → "93.2 %"."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


@routes.app_template_filter()
def signed(value: float | None) -> str:
    """0.25 → "+0.2500"; -0.0 → "0.0000"."""
    return "–" if value is None else f"{value:+.4f}" if value else f"{0:.4f}"


@routes.app_template_filter()
def duration(seconds: float | None) -> str:
    """ "2 h 1 min", as `texts.duration` has it; "–" for None."""
    return "–" if seconds is None else texts.duration(seconds)


@routes.app_template_filter()
def ago(moment: datetime.datetime) -> str:
    """ "just now", "4 min ago", "3 h ago", "12 d ago"."""
    seconds = (datetime.datetime.now(datetime.UTC) - moment).total_seconds()
    for over, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= over:
            return f"{int(seconds // over)} {unit} ago"
    return "just now"


@routes.app_template_filter()
def exact(moment: datetime.datetime) -> str:
    """ "2026-01-31 23:59:59 UTC"."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@routes.app_template_filter()
def in_words(details: Mapping[str, Any] | None) -> str:
    """ "kinds: train, predict; labels: team=birds; enabled: yes"; what is empty is left out."""
    return "; ".join(
        f"{name}: {_value(value)}" for name, value in (details or {}).items() if _is_there(value)
    )


def _is_there(value: object) -> bool:
    return value is not None and value not in ("", [], {})


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_value(one)}" for name, one in value.items())
    return ", ".join(map(_value, value)) if isinstance(value, list | tuple) else plain(value)


@routes.app_template_filter()
def ran_for(job: Job) -> float | None:
    """Seconds since a job was first started, or that it took; None for one that never ran.

    While it is paused, those until it was asked to be.
    """
    if job.started_at is None:
        return None
    set_aside = job.pause_requested_at if job.state == State.PAUSED else None
    end = job.finished_at or set_aside or datetime.datetime.now(datetime.UTC)
    return max((end - job.started_at).total_seconds(), 0.0)


@routes.app_template_filter()
def share_done(job: Job) -> float | None:
    """0…1, or None where it isn't known."""
    if job.progress_done is None or not job.progress_total:
        return None
    return min(job.progress_done / job.progress_total, 1.0)


@routes.app_template_filter()
def state_in_words(job: Job, quarters: bool = False) -> str:
    """ "running 45 %"; in `quarters` "running 25 %", for those to whom each change is read aloud."""
    if not job.terminal and job.cancel_requested_at is not None:
        return "cancelling"
    if job.state == State.RUNNING and job.pause_requested_at is not None:
        return "pausing"
    share = share_done(job) if job.state == State.RUNNING else None
    if share is None:
        return str(job.state)
    return f"{job.state} {int(share * 4) * 25 if quarters else int(share * 100)} %"


@routes.app_template_filter()
def list_title(counts: Mapping[State, Count]) -> str:
    """ "2 running, 5 queued · Jobs · Jobyard": how much there is to do, seen from another window."""
    working = [
        f"{how_many(counts[state])} {state}"
        for state in (State.RUNNING, State.QUEUED)
        if state in counts and counts[state].jobs
    ]
    return " · ".join([*([", ".join(working)] if working else []), "Jobs", "Jobyard"])


@routes.app_template_filter()
def isolated(name: str) -> str:
    """For plain text, as a title is: a name from right to left leaves what is around it in its order."""
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL", "RLE", "RLO", "RLI") for letter in name)
    return f"\u2068{name}\u2069" if turns else name


@routes.app_template_filter()
def per_second(job: Job) -> str:
    """ "12,000 rows/s", as the time left was reckoned; "" where it isn't known."""
    if not job.eta_seconds or not job.progress_total:
        return ""
    speed = (job.progress_total - (job.progress_done or 0)) / job.eta_seconds
    return f"{speed:,.{0 if speed >= 10 else 1}f} {job.progress_unit or ''}/s"


@routes.app_template_filter()
def what(job: Job, files: Mapping[str, str]) -> str:
    """What a job is called: its name, or what it does; `files` has the names of uploaded files by id."""
    if job.name is not None:
        return job.name
    return does(job, files)


@routes.app_template_filter()
def does(job: Job, files: Mapping[str, str]) -> str:
    """What it does, also if it has a name."""
    if job.parent_id is not None:
        return of_part(job.kind, job.spec)
    return job.does or kinds.title(job.kind, job.spec, files)


@routes.app_template_filter()
def why(job: Job, characters: int = 200) -> str:
    """Why it failed, on one line: "WorkError: there is no column 'text'"."""
    return texts.on_a_line(f"{job.error_type or 'Error'}: {job.error_message}", characters)


@routes.app_template_filter()
def without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """All but those of these names."""
    return {name: value for name, value in values.items() if name not in names}

"""The result of a job that succeeded, for people."""

import json

from rich.markup import escape
from rich.table import Table

from jobyard.cli.evaluations import show_evaluation
from jobyard.cli.models import show_foreign
from jobyard.cli.predicted import show_predictions
from jobyard.cli.scored import show_file, show_texts
from jobyard.cli.session import output
from jobyard.cli.trainings import show_training
from jobyard.client import Job
from jobyard.client.lines import on_a_line

MAX_CHARACTERS = 300


def show_result(job: Job) -> None:
    """Show the result in the way of its kind; of a kind that has none of its own, its values by name."""
    result = job.result or {}
    if job.kind == "train":
        show_training(job)
    elif job.kind == "evaluate":
        show_evaluation(job)
    elif job.kind == "predict":
        show_predictions(job, job.predictions())
    elif job.kind == "register":
        show_foreign(job)
    elif job.kind == "sentiment" and "file" in result:
        show_file(job, None)
    elif job.kind == "sentiment" and job.spec.get("texts"):
        show_texts(job, tuple(job.spec["texts"]))
    else:
        show_values(job)


def show_values(job: Job) -> None:
    """The values of the result by name, and where the job's page is."""
    console = output()
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in (job.result or {}).items():
        table.add_row(escape(on_a_line(name)), escape(_shown(value)))
    if table.row_count:
        console.print(table)
    console.print(f"{escape(job.kind)} {job.state}: {job.link('page')}", soft_wrap=True)


def _shown(value: object) -> str:
    """A text as it is, anything else as JSON; cut where it is long, for the page has it whole."""
    text = on_a_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} …"

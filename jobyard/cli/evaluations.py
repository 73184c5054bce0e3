"""The command evaluate."""

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli.completers import complete_model
from jobyard.cli.follow import follow
from jobyard.cli.session import (
    connect,
    json_option,
    marks_options,
    outcome,
    output,
    print_json,
    priority_option,
)
from jobyard.cli.sources import find_dataset
from jobyard.client import Job
from jobyard.client.errors import Json
from jobyard.client.parameters import given


@click.command(short_help="Judge a model on a folder of pictures or an imported data set.")
@click.argument("model", shell_complete=complete_model)
@click.argument("data", metavar="DIR|DATASET")
@click.option("--split", help="auto, test, validation, train or all pictures of it; default: auto.")
@click.option("--name", help="Name of the data set that DIR becomes; default: the folder's name.")
@click.option(
    "--labels", help="Where the classes of DIR come from: folders, or the table labels.csv; default: auto."
)
@click.option(
    "--allow-partial", is_flag=True, help="Import DIR even if more than a fifth of its files is left out."
)
@marks_options("--job-name")
@priority_option
@json_option
def evaluate(
    model: str,
    data: str,
    split: str | None,
    name: str | None,
    labels: str | None,
    allow_partial: bool,
    priority: int | None,
    marks: Json,
    as_json: bool,
) -> int:
    """Judge MODEL (a name, name@version, name@alias or id) on DIR, a folder or archive of pictures; or on
    DATASET, an imported data set, by name or name@version.

    auto are its test pictures, else those for validation, else all. Classes are matched by their names.
    """
    with connect() as client:

        def check(dataset: str) -> None:
            spec = given({"model": model, "dataset": dataset, "split": split})
            client.check("evaluate", spec, priority=priority, **marks)

        found = find_dataset(client, data, name, labels, allow_partial, as_json=as_json, check=check)
        job = follow(client.evaluate(model, found, priority=priority, **marks, **given({"split": split})))
        if as_json:
            print_json(job.raw)
        elif job.succeeded:
            show_evaluation(job)
        return outcome(job)


def show_evaluation(job: Job) -> None:
    """How good the model is, class by class."""
    result = job.result or {}
    console = output()
    console.print(by_class(result["evaluation"], f"{result['model']} on {result['dataset']}"))
    console.print(accuracy(result["evaluation"]))
    for warning in result["warnings"]:
        console.print(f"warning  {warning}", soft_wrap=True)
    console.print(f"page     {job.link('page')}", soft_wrap=True)


def by_class(evaluation: Json, title: str) -> Table:
    """Precision, recall and F1 of each class; of many classes those that were found worst."""
    count, shown = evaluation.get("class_count", 0), len(evaluation["per_class"])
    if count > shown:
        title = f"{title}: the {shown} worst of {count:,} classes"
    table = Table("class", "precision", "recall", "F1", "pictures", title=title)
    for name, score in evaluation["per_class"].items():
        numbers = [f"{score[key]:.3f}" for key in ("precision", "recall", "f1")]
        table.add_row(escape(name), *numbers, str(score["support"]))
    return table


def accuracy(evaluation: Json) -> str:
    """The accuracy with its interval, and on which pictures."""
    low, high = evaluation["accuracy_interval"]
    split = "" if evaluation["split"] == "all" else f"{evaluation['split']} "
    return (
        f"accuracy {evaluation['accuracy']:.3f} ({low:.3f} to {high:.3f} at 95 %) "
        f"on {evaluation['pictures']:,} {split}pictures"
    )

"""The command predict."""

from collections.abc import Iterator
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from web.cli.follow import follow, working
from web.cli.session import connect, json_option, outcome, output, print_json, priority_option
from web.client import Job
from web.client.errors import Json

PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
MAX_ROWS = 50


@click.command(short_help="Say what is on pictures, by a trained model.")
@click.argument("model")
@click.argument("images", metavar="IMAGE...", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--dataset", help="Predict every picture of this data set instead.")
@click.option("--top", type=int, help="Keep only so many classes for each picture.")
@priority_option
@json_option
def predict(
    model: str,
    images: tuple[Path, ...],
    dataset: str | None,
    top: int | None,
    priority: int | None,
    as_json: bool,
) -> int:
    """Predict IMAGEs (of a folder, the pictures in it) by MODEL: its name, name@version or id."""
    if bool(images) == (dataset is not None):
        raise click.UsageError("name either pictures or a --dataset")
    paths = list(_pictures(images))
    with connect() as client:
        with working(f"uploading {len(paths):,} picture(s) …" if paths else "submitting …"):
            job = client.predict(
                model, paths if dataset is None else None, dataset=dataset, top=top, priority=priority
            )
        follow(job)
        if job.succeeded:
            rows = _rows(job, paths)
            if as_json:
                for row in rows:
                    print_json(_line(row))
            else:
                show_predictions(job, rows)
        return outcome(job)


def _pictures(images: tuple[Path, ...]) -> Iterator[Path]:
    for image in images:
        if not image.is_dir():
            yield image
            continue
        inside = sorted(path for path in image.iterdir() if path.suffix.lower() in PICTURES)
        if not inside:
            raise click.UsageError(f"there are no pictures in {image}")
        yield from inside


def _rows(job: Job, paths: list[Path]) -> Iterator[Json]:
    """The answers, in the order of the pictures; each called as the user called it."""
    if not paths:
        return job.predictions()
    return ({**row, "image": str(path)} for path, row in zip(paths, job.predictions(), strict=True))


def _line(row: Json) -> Json:
    line = {key: row[key] for key in ("image", "label", "probability")}
    return line | {"error": row["error"]} if row["error"] else line


def show_predictions(job: Job, rows: Iterator[Json]) -> None:
    """A table of the first answers."""
    table = Table("picture", "label", "probability")
    count = 0
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            break
        if row["error"]:
            table.add_row(escape(row["image"]), "[red]–", escape(row["error"]))
        else:
            table.add_row(escape(row["image"]), escape(row["label"]), f"{row['probability']:.4f}")
    console = output()
    console.print(table)
    if count > MAX_ROWS:
        total = (job.result or {}).get("count")
        console.print(f"the first {MAX_ROWS} of {total}; all: {job.link('page')}, or --json", soft_wrap=True)

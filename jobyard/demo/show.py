"""The demo from end to end, and the table at its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli import FAILED
from jobyard.cli.follow import show_progress, working
from jobyard.cli.scores import scored_file
from jobyard.cli.session import output
from jobyard.cli.sources import folder_name
from jobyard.client import Client, Job, JobFailed, JobyardClientError
from jobyard.client.sentiment import LABELS
from jobyard.demo.pictures import draw_set
from jobyard.demo.reviews import write_reviews
from jobyard.demo.server import DemoFailed, make_folder, server
from jobyard.up.stack import flower_url, web_url

FOLDER = Path(".demo")
DRAWN_PER_CLASS = 120
REVIEWS = 100_000
PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
PREDICTED_PER_CLASS = 3
MAX_PREDICTED = 12

# A pretrained network sees each picture once: two cores take some 100 a second of the largest size. Of more
# pictures than the first number a smaller size is enough, and keeps the training to some two minutes.
SIZES = ((10_000, 256), (20_000, 192), (None, 128))


@dataclass
class Demo:
    """The server's client, the folder, and the rows of the table so far."""

    client: Client
    home: Path
    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        self.rows.append((name, text))


def run(data: Path | None, keep: bool) -> int:
    """Show everything once; the exit status."""
    started = time.monotonic()
    home = FOLDER.absolute()
    make_folder(home)
    try:
        with (
            server(home, keep=keep) as settings,
            Client(web_url(settings), settings.secret_token()) as client,
        ):
            click.echo(f"Dashboard  {web_url(settings)}/login?token={settings.secret_token()}")
            click.echo(f"Flower     {flower_url(settings)}  (user: jobyard, password: in {home / 'token'})\n")
            demo = Demo(client, home)
            _show_training_and_predictions(demo, data)
            _show_scoring(demo)
            demo.add("results", f"{home / 'results'}, and in SQL: {home / 'jobyard.db'}")
            demo.add("dashboard", web_url(settings))
            demo.add("Flower", flower_url(settings))
            demo.add("total", f"{time.monotonic() - started:.0f} s")
            _print_table(demo)
    except (DemoFailed, JobyardClientError) as error:
        click.echo(f"jobyard: {error}", err=True)
        return FAILED
    if not keep:
        click.echo(
            f"The server has stopped; {FOLDER} is kept until the next demo. "
            "`jobyard up` starts your own server."
        )
    return 0


def _show_training_and_predictions(demo: Demo, data: Path | None) -> None:
    if data is None:
        click.echo("No --data given: the pictures are generated, dots and stripes instead of photographs.")
        draw_set(demo.home / "drawn", DRAWN_PER_CLASS)
        draw_set(demo.home / "new", PREDICTED_PER_CLASS, seed=1)
        source, some = demo.home / "drawn", _some_pictures(demo.home / "new")
    else:
        source, some = data, _some_pictures(data)
    imported = _done(lambda: demo.client.import_pictures(folder_name(source), source))
    result = imported.result or {}
    splits = result["classes"]
    counts = _per_class(splits)
    drawn = ", generated for this demo" if data is None else ""
    demo.add("pictures", f"{_listed(counts)}{drawn}; {result['rejected_count']} rejected")
    size = _affordable_size(sum(counts.values()))
    model = _show_training(demo, result["dataset"], size)
    _show_predictions(demo, model, some, seen=data is not None and not (data / "validation").is_dir())


def _show_training(demo: Demo, dataset: str, size: int) -> str:
    started = time.monotonic()
    job = _done(lambda: demo.client.train(dataset, image_size=size))
    seconds = time.monotonic() - started
    result = job.result or {}
    evaluation = result["evaluation"]
    demo.add("training", f"{job.spec['network']}, {size} × {size} pixels, in {seconds:.0f} s")
    low, high = evaluation["accuracy_interval"]
    judged_by = f"{evaluation['pictures']} {evaluation['split']} pictures"
    demo.add("accuracy", f"{evaluation['accuracy']:.3f} ({low:.3f} to {high:.3f}) on {judged_by}")
    demo.add("model", result["model"])
    job.save_history(_results(demo) / "history.png")
    return str(result["model"])


def _show_predictions(demo: Demo, model: str, some: list[Path], *, seen: bool) -> None:
    started = time.monotonic()
    job = _done(lambda: demo.client.predict(model, some))
    seconds = time.monotonic() - started
    rows = list(zip(some, job.predictions(), strict=True))
    right = sum(row["label"] == path.parent.name for path, row in rows)
    note = " (the model may have trained on them)" if seen else ""
    demo.add("predictions", f"{right} of {len(rows)} right{note}, in {seconds:.1f} s")
    for path, row in rows:
        answer = f"{row['label']} {row['probability']:.3f}" if row["label"] else row["error"]
        demo.add("", f"{path.parent.name}/{path.name}: {answer}")


def _show_scoring(demo: Demo) -> None:
    file = demo.home / "reviews.csv"
    with working(f"generating {REVIEWS:,} short reviews …"):
        write_reviews(file, 1)
        # The first file on a machine has loops compiled, which takes seconds, once.
        demo.client.score(file=file, column="text").wait()
        write_reviews(file, REVIEWS)
    started = time.monotonic()
    job = _done(lambda: demo.client.score(file=file, column="text"))
    seconds = time.monotonic() - started
    result = job.result or {}
    demo.add(
        "reviews",
        f"{REVIEWS:,} generated reviews scored in {seconds:.1f} s, {REVIEWS / seconds:,.0f} a second",
    )
    demo.add(
        "", f"{_listed({label: result['labels'][label] for label in LABELS})}; mean {result['mean']:.3f}"
    )
    name = scored_file(job)
    job.download(name, _results(demo) / name)


def _done(submit: Callable[[], Job]) -> Job:
    """Submit a job and show it to its end. Raises JobFailed if it did not succeed."""
    job = show_progress(submit())
    if not job.succeeded:
        raise JobFailed(job)
    return job


def _affordable_size(pictures: int) -> int:
    """The width and height in pixels to which so many pictures are resized."""
    return next(size for most, size in SIZES if most is None or pictures <= most)


def _some_pictures(folder: Path) -> list[Path]:
    """A few pictures of each class, from the validation folder if there is one."""
    if (folder / "validation").is_dir():
        folder = folder / "validation"
    elif (folder / "train").is_dir():
        folder = folder / "train"
    found: list[Path] = []
    for name in sorted(path for path in folder.iterdir() if path.is_dir()):
        inside = sorted(path for path in name.iterdir() if path.suffix.lower() in PICTURES)
        found += inside[:PREDICTED_PER_CLASS]
    if not found:
        raise DemoFailed(f"{folder} should have one folder of pictures per class")
    return found[:MAX_PREDICTED]


def _per_class(splits: dict[str, dict[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for classes in splits.values():
        for name, count in classes.items():
            counts[name] = counts.get(name, 0) + count
    return counts


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _results(demo: Demo) -> Path:
    folder = demo.home / "results"
    folder.mkdir(exist_ok=True)
    return folder


def _print_table(demo: Demo) -> None:
    table = Table(show_header=False, title="Jobyard demo")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in demo.rows:
        table.add_row(name, escape(text))
    click.echo()
    output().print(table)

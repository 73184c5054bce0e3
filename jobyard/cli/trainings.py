"""The command train."""

import re
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli.follow import follow, working
from jobyard.cli.session import connect, json_option, outcome, output, print_json, priority_option
from jobyard.client import Client, Job

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_NAME = 64
CLASS_WEIGHT = re.compile(r"(?P<name>[^=]+)=(?P<weight>[0-9]+(\.[0-9]*)?|\.[0-9]+)(,|$)")


@click.command(short_help="Train on a folder of pictures or an imported data set.")
@click.argument("data", metavar="DIR|DATASET")
@click.option("--name", help="Name of the data set that DIR becomes; default: the folder's name.")
@click.option(
    "--labels", help="Where the classes of DIR come from: folders, or the table labels.csv; default: auto."
)
@click.option("--model-name", help="Name of the model; default: the data set's.")
@click.option("--network", help="compact, or classic (the tutorial's, for comparison); default: compact.")
@click.option("--init-from", metavar="MODEL", help="Start from the weights of this model.")
@click.option("--epochs", type=int, help="Passes over the training pictures; default: 36; classic: 10.")
@click.option("--batch-size", type=int, help="Pictures per batch; default: 64; classic: 32.")
@click.option(
    "--image-size", type=int, help="Side in pixels that pictures are resized to; default: 96; classic: 150."
)
@click.option("--optimizer", help="muon or adam; default: muon; classic: adam.")
@click.option("--learning-rate", type=float, help="Learning rate; default: 0.008; classic: 0.001.")
@click.option("--schedule", help="cosine (falls to 0) or constant; default: cosine; classic: constant.")
@click.option(
    "--warmup-epochs",
    type=float,
    help="Epochs in which the learning rate rises from 0; default: 2; classic: 0.",
)
@click.option("--weight-decay", type=float, help="Decoupled, as in AdamW; default: 0.05; classic: 0.")
@click.option(
    "--label-smoothing",
    type=float,
    help="Share of each label spread over all classes; default: 0.1; classic: 0.",
)
@click.option(
    "--class-weight",
    metavar="balanced|CLASS=WEIGHT,…",
    help="What pictures of each class count in the loss; default: all the same.",
)
@click.option("--shear", type=float, help="Largest random shear in degrees; default: 8; classic: 0.2.")
@click.option("--zoom", type=float, help="Largest random zoom, 1 ± this; default: 0.1; classic: 0.2.")
@click.option(
    "--crop", type=float, help="Largest share cropped from width and height; default: 0.4; classic: 0."
)
@click.option("--flip/--no-flip", default=None, help="Mirror half of the pictures; default: yes.")
@click.option("--rotation", type=float, help="Largest random rotation in degrees; default: 0.")
@click.option("--brightness", type=float, help="Lighten or darken by up to this share of white; default: 0.")
@click.option("--contrast", type=float, help="Multiply the contrast by 1 ± this; default: 0.")
@click.option("--validation-split", type=float, help="Share held out for validation; default: 0.2.")
@click.option("--steps-per-epoch", type=int, help="Batches per epoch; default: all pictures once.")
@click.option("--validation-steps", type=int, help="Batches per validation; default: all pictures once.")
@click.option(
    "--monitor", help="What decides which epoch is the best: val_loss or val_accuracy; default: val_loss."
)
@click.option("--patience", type=int, help="Stop after this many epochs of which none was the best.")
@click.option("--seed", type=int, help="Random seed; default: 0.")
@click.option("--precision", help="auto, float32, mixed_bfloat16 or mixed_float16; default: auto.")
@priority_option
@json_option
def train(
    data: str,
    name: str | None,
    class_weight: str | None,
    labels: str | None,
    shear: float | None,
    zoom: float | None,
    crop: float | None,
    flip: bool | None,
    rotation: float | None,
    brightness: float | None,
    contrast: float | None,
    priority: int | None,
    as_json: bool,
    **spec: Any,
) -> int:
    """Train on DIR, a folder or archive of pictures; or on DATASET, an imported data set, by name or
    name@version.

    DIR has one folder per class; or train/, validation/ and test/ with one folder per class each; or files
    like cat.0.jpg; or a table labels.csv (or metadata.csv, metadata.jsonl) with the label of each picture.
    """
    given = {
        "shear": shear,
        "zoom": zoom,
        "crop": crop,
        "flip": flip,
        "rotation": rotation,
        "brightness": brightness,
        "contrast": contrast,
    }
    weights = None if class_weight is None else class_weights(class_weight)
    augment = {key: value for key, value in given.items() if value is not None}
    with connect() as client:
        source = _source(data)
        for option, value in (("--name", name), ("--labels", labels)):
            if source is None and value is not None:
                raise click.UsageError(f"{option} needs a folder or an archive; there is none at {data}")
        if source is not None:
            imported = import_pictures(client, source, name or folder_name(source), labels)
            if not imported.succeeded:
                if as_json:
                    print_json(imported.raw)
                return outcome(imported)
            data = imported.result["dataset"] if imported.result else data
        job = follow(
            client.train(data, priority=priority, class_weight=weights, augment=augment or None, **spec)
        )
        if as_json:
            print_json(job.raw)
        elif job.succeeded:
            show_training(job)
        return outcome(job)


def import_pictures(client: Client, source: Path, name: str, labels: str | None = None) -> Job:
    """Upload and import; prints where labels are from, which pictures were rejected, and warnings."""
    with working(f"uploading {source} …"):
        job = client.import_pictures(name, source, labels=labels)
    follow(job)
    result = job.result or {}
    if result.get("labels"):
        click.echo(f"  {result['labels']['summary']}", err=True)
    for warning in result.get("warnings", []):
        click.echo(f"  warning: {warning}", err=True)
    rejected = result.get("rejected", [])
    for row in rejected[:5]:
        click.echo(f"  rejected: {row['file']}: {row['reason']}", err=True)
    if len(rejected) > 5:
        click.echo(f"  … for all, see {job.link('page')}", err=True)
    return job


def class_weights(written: str) -> str | dict[str, float]:
    """`cats=2,dogs=1` as a map; a class's name may have a comma, and whatever has no '=' is a word.

    Raises click.UsageError.
    """
    if "=" not in written:
        return written
    weights = {}
    rest = written
    while rest:
        found = CLASS_WEIGHT.match(rest)
        if found is None:
            raise click.UsageError(
                f"--class-weight {written}: should be balanced, or CLASS=WEIGHT,CLASS=WEIGHT with numbers"
            )
        weights[found["name"]] = float(found["weight"])
        rest = rest[found.end() :]
    return weights


def folder_name(source: Path) -> str:
    """A data set's name for a folder or an archive: its own name, in the letters that are allowed."""
    name = source.resolve().name
    for suffix in ARCHIVES:
        name = name.removesuffix(suffix)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")
    return name[:MAX_NAME] or "pictures"


def _source(data: str) -> Path | None:
    """The folder or archive that is meant, or None if it is the name of a data set."""
    path = Path(data).expanduser()
    if path.is_dir() or (path.is_file() and path.name.lower().endswith(ARCHIVES)):
        return path
    if path.is_file():
        raise click.UsageError(f"{data} should be a folder, or an archive ({', '.join(ARCHIVES)})")
    if "/" in data or data.startswith("."):
        raise click.UsageError(f"there is no folder {data}")
    return None


def show_training(job: Job) -> None:
    """The model's evaluation, and where it is."""
    result = job.result or {}
    evaluation = result["evaluation"]
    low, high = evaluation["accuracy_interval"]
    best = result["metrics"]["best"]
    console = output()
    table = Table("class", "precision", "recall", "F1", "pictures", title=f"Model {result['model']}")
    for name, score in evaluation["per_class"].items():
        numbers = [f"{score[key]:.3f}" for key in ("precision", "recall", "f1")]
        table.add_row(escape(name), *numbers, str(score["support"]))
    console.print(table)
    console.print(
        f"accuracy {evaluation['accuracy']:.3f} ({low:.3f} to {high:.3f} at 95 %) "
        f"on {evaluation['pictures']:,} {evaluation['split']} pictures, {best['accuracy']:.3f} in training"
    )
    by = result.get("monitor", "val_loss")
    console.print(f"weights  of epoch {best['epoch']}, the best of {result['epochs']} by {by}")
    if result["stopped_early"]:
        console.print(f"stopped  {result['stopped_early']}")
    console.print(f"history  {job.link('history')}", soft_wrap=True)
    console.print(f"page     {job.link('page')}", soft_wrap=True)
    console.print(f"next     jobyard predict {result['model']} PICTURE...", soft_wrap=True)

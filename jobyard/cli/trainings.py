"""The command train."""

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from jobyard.cli.evaluations import accuracy, by_class
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
from jobyard.client.architectures import architecture_file
from jobyard.client.errors import Json
from jobyard.client.parameters import given

CLASS_WEIGHT = re.compile(r"(?P<name>[^=]+)=(?P<weight>[0-9]+(\.[0-9]*)?|\.[0-9]+)(,|$)")

# The options that are fields of the spec's `augment`.
AUGMENT = ("shear", "zoom", "crop", "flip", "rotation", "brightness", "contrast")


@click.command(short_help="Train on a folder of pictures or an imported data set.")
@click.argument("data", metavar="DIR|DATASET")
@click.option("--name", help="Name of the data set that DIR becomes; default: the folder's name.")
@click.option(
    "--labels", help="Where the classes of DIR come from: folders, or the table labels.csv; default: auto."
)
@click.option(
    "--allow-partial", is_flag=True, help="Import DIR even if more than a fifth of its files is left out."
)
@click.option("--model-name", help="Name of the model; default: the data set's.")
@click.option(
    "--network",
    help="efficientnet-lite0 (pretrained), compact, classic (the tutorial's, for comparison), or custom "
    "(that of --architecture); default: efficientnet-lite0.",
)
@click.option(
    "--architecture",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A network of your own: what model.to_json() of Keras 3 writes, or a .keras file.",
)
@click.option(
    "--head",
    help="Of your own network: auto (a last layer for other classes is replaced) or keep; default: auto.",
)
@click.option(
    "--rescale",
    help="Of your own network, what pixels are scaled to: auto, 0..1, -1..1 or none; default: auto.",
)
@click.option("--init-from", metavar="MODEL", help="Start from the weights of this model.")
@click.option(
    "--epochs",
    type=int,
    help="Passes over the training pictures; default: 20; compact: 36; classic: 10; custom: 30.",
)
@click.option(
    "--fine-tune-epochs", type=int, help="Further epochs that train all of a pretrained network; default: 0."
)
@click.option(
    "--fine-tune-learning-rate", type=float, help="Learning rate of these epochs; default: 0.00002."
)
@click.option(
    "--views",
    type=int,
    help="How often each picture is in an epoch of a pretrained network's last layer; default: 1.",
)
@click.option("--batch-size", type=int, help="Pictures per batch; default: 32; compact: 64.")
@click.option(
    "--image-size",
    type=int,
    help="Side in pixels that pictures are resized to; default: 256; compact: 96; classic: 150; custom: what "
    "it takes, or 128.",
)
@click.option(
    "--background", help="What is transparent is laid on it: white, black or #rrggbb; default: white."
)
@click.option("--optimizer", help="muon or adam; default: adam; compact: muon.")
@click.option(
    "--learning-rate",
    type=float,
    help="Learning rate; default: 0.003; compact: 0.008; classic: 0.001; custom: 0.001.",
)
@click.option("--schedule", help="cosine (falls to 0) or constant; default: cosine; classic: constant.")
@click.option(
    "--warmup-epochs",
    type=float,
    help="Epochs in which the learning rate rises from 0; default: 0; compact: 2; custom: 1.",
)
@click.option("--weight-decay", type=float, help="Decoupled, as in AdamW; default: 0; compact: 0.05.")
@click.option(
    "--label-smoothing",
    type=float,
    help="Share of each label spread over all classes; default: 0; compact: 0.1; custom: 0.1.",
)
@click.option(
    "--class-weight",
    metavar="balanced|CLASS=WEIGHT,…",
    help="What pictures of each class count in the loss; default: all the same.",
)
@click.option(
    "--shear", type=float, help="Largest random shear in degrees; default: 8; classic: 0.2; custom: 4."
)
@click.option("--zoom", type=float, help="Largest random zoom, 1 ± this; default: 0.1; classic: 0.2.")
@click.option(
    "--crop",
    type=float,
    help="Largest share cropped from width and height; default: 0.4; classic: 0; custom: 0.2.",
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
@marks_options("--job-name")
@priority_option
@json_option
def train(
    data: str,
    name: str | None,
    class_weight: str | None,
    labels: str | None,
    allow_partial: bool,
    priority: int | None,
    marks: Json,
    as_json: bool,
    **spec: Any,
) -> int:
    """Train on DIR, a folder or archive of pictures; or on DATASET, an imported data set, by name or
    name@version.

    DIR has one folder per class; or train/, validation/ and test/ with one folder per class each; or files
    like cat.0.jpg; or a table labels.csv (or metadata.csv, metadata.jsonl) with the label of each picture.
    """
    spec["class_weight"] = None if class_weight is None else class_weights(class_weight)
    spec["augment"] = {name: value for name in AUGMENT if (value := spec.pop(name)) is not None} or None
    with connect() as client, ExitStack() as opened:
        if spec["architecture"] is not None:
            spec["architecture"] = opened.enter_context(architecture_file(spec["architecture"]))

        def check(dataset: str) -> None:
            client.check("train", given({"dataset": dataset, **spec}), priority=priority, **marks)

        found = find_dataset(client, data, name, labels, allow_partial, as_json=as_json, check=check)
        job = follow(client.train(found, priority=priority, **marks, **spec))
        if as_json:
            print_json(job.raw)
        elif job.succeeded:
            show_training(job)
        return outcome(job)


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
        weights[found["name"].strip()] = float(found["weight"])
        rest = rest[found.end() :]
    return weights


def show_training(job: Job) -> None:
    """The model's evaluation, and where it is."""
    result = job.result or {}
    evaluation = result["evaluation"]
    best = result["metrics"]["best"]
    console = output()
    console.print(by_class(evaluation, f"Model {result['model']}"))
    console.print(f"{accuracy(evaluation)}, {best['accuracy']:.3f} in training")
    by = result.get("monitor", "val_loss")
    console.print(f"weights  of epoch {best['epoch']}, the best of {result['epochs']} by {by}")
    for warning in result.get("warnings", []):
        console.print(f"warning  {warning}", markup=False, soft_wrap=True)
    if result["stopped_early"]:
        console.print(f"stopped  {result['stopped_early']}")
    console.print(f"history  {job.link('history')}", soft_wrap=True)
    console.print(f"page     {job.link('page')}", soft_wrap=True)
    console.print(f"next     jobyard predict {result['model']} PICTURE...", soft_wrap=True)

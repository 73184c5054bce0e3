"""The command models: what is registered, its aliases, its files, and what comes from elsewhere."""

import json
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli.completers import complete_model
from jobyard.cli.follow import follow, working
from jobyard.cli.outputs import check_printable, save_file, write_text
from jobyard.cli.session import connect, json_option, outcome, output, print_json, priority_option
from jobyard.cli.targets import check_target, expanded, is_standard_output
from jobyard.client import Client, Job
from jobyard.client.errors import Json
from jobyard.client.parameters import given

SHOWN = 50
# Aliases that the server sets.
COMPUTED = ("latest", "best")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each model.")
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List, add, download, alias or delete models.

    MODEL is a name (its newest version), name@version, name@alias or an id. The aliases latest and best
    (the most accurate) always exist.
    """
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        table = Table("model", "aliases", "accuracy", "network", "classes", "MB")
        more = False
        for model in client.models():
            if as_json:
                print_json(model)
                continue
            if more := table.row_count == SHOWN:
                break
            accuracy = model["accuracy"]
            table.add_row(
                model["reference"],
                ", ".join(model["aliases"]),
                "–" if accuracy is None else f"{accuracy:.3f}",
                f"{model['network']}, {model['image_size']} px",
                escape(", ".join(model["classes"][:5])) + (" …" if len(model["classes"]) > 5 else ""),
                f"{model['bytes'] / 1e6:.1f}",
            )
        if as_json:
            return
        if table.row_count:
            output().print(table)
        else:
            click.echo("no models")
        if more:
            click.echo(f"only the newest {SHOWN} are shown; --json lists all")


@models.command()
@click.argument("model", shell_complete=complete_model)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["keras", "onnx", "tflite", "savedmodel"]),
    default="keras",
    show_default=True,
    help="Format of the file; if there is none yet, a job makes it.",
)
@click.option(
    "--quantize",
    type=click.Choice(["none", "float16", "dynamic"]),
    default="none",
    show_default=True,
    help="How tflite keeps the weights.",
)
@click.option(
    "-o",
    "target",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Where to save it; default: NAME-VERSION.keras, .onnx, .tflite or -savedmodel.zip.",
)
@click.option(
    "--card",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the model card as this JSON file, too.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
def download(
    model: str, format_: str, quantize: str, target: Path | None, card: Path | None, force: bool
) -> None:
    """Save a file of MODEL; with --card, save its model card as JSON, too. With -o - the model is printed to
    standard output, and nothing else.
    """
    if target is not None and target == card:
        raise click.UsageError(f"--card {card}: is the file of -o; name another one")
    if target is not None:
        check_target(target, [], force=force)
        check_printable(target, format_, as_json=False)
    if card is not None:
        check_target(card, [target] if target is not None else [], force=force, option="--card")
    with connect() as client:
        # By its version: an alias may be moved between the two.
        known = client.model_card(model)
        made = known | {"file": f"{known['name']}-{known['version']}.keras"}
        if format_ != "keras":
            known, made = _exported(client, known, format_, quantize)
        path = target or Path(made["file"])

        def write(draft: Path) -> None:
            client.download_model(known["reference"], draft, format=format_, quantize=quantize)

        save_file(path, write, format_, force=force)
        if card is not None:
            text = json.dumps(known, indent=2, ensure_ascii=False) + "\n"
            save_file(card, lambda draft: write_text(draft, text), "json", force=force, option="--card")
    said = f"{path}: {known['reference']}, SHA-256 {made['sha256']}"
    click.echo(said, err=any(map(is_standard_output, filter(None, (target, card)))))


def _exported(client: Client, card: Json, format_: str, quantize: str) -> tuple[Json, Json]:
    """The model's card, and what it says of the file of that format, which is made if there is none yet."""
    for one in card["exports"]:
        if (one["format"], one["quantize"]) == (format_, quantize):
            return card, one
    wanted: dict[str, Any] = {"format": format_, "quantize": quantize}
    job = follow(client.export_model(card["reference"], **wanted))
    if status := outcome(job):
        raise click.exceptions.Exit(status)
    return client.model_card(card["reference"]), job.result or {}


@models.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", required=True, help="Name of the model in the registry.")
@click.option(
    "--classes",
    required=True,
    metavar="NAMES|@FILE",
    help="Names of the classes in the order of the network's outputs, separated by commas; or @ and a file "
    "with a name on each line.",
)
@click.option(
    "--rescale",
    help="What the network expects pixels as: 0..1, -1..1 or none (0 to 255). Needed where no layer of its "
    "own makes it of 0 to 255.",
)
@click.option("--image-size", type=int, help="Side of the pictures, where the network takes any.")
@click.option(
    "--background", help="What is transparent is laid on it: white, black or #rrggbb; default: white."
)
@priority_option
@json_option
def add(
    file: Path,
    name: str,
    classes: str,
    rescale: str | None,
    image_size: int | None,
    background: str | None,
    priority: int | None,
    as_json: bool,
) -> int:
    """Register FILE, a model that Keras 3 saved elsewhere (.keras).

    Nothing of it is loaded as it is: a worker compares it with what is allowed and writes it anew. Of other
    formats it says how to convert them.
    """
    names = _class_names(classes)
    with connect() as client:
        with working(f"uploading {file} …"):
            job = client.add_model(
                file,
                name=name,
                classes=names,
                image_size=image_size,
                priority=priority,
                **given({"background": background, "rescale": rescale}),
            )
        follow(job)
        if as_json:
            print_json(job.raw)
        elif job.succeeded:
            show_foreign(job)
        return outcome(job)


def show_foreign(job: Job) -> None:
    """The model, what it is, and what is odd about it."""
    result = job.result or {}
    source = result["source"]
    console = output()
    console.print(f"model    {result['model']}, SHA-256 {result['sha256']}", soft_wrap=True)
    size = f"{source['layers']:,} layers, {source['parameters']:,} parameters"
    console.print(f"network  {size}, pictures of {result['image_size']} pixels", soft_wrap=True)
    console.print(f"pixels   {source['rescale']}", markup=False, soft_wrap=True)
    console.print(f"outputs  {source['head']}", markup=False, soft_wrap=True)
    for warning in source["warnings"]:
        console.print(f"warning  {warning}", markup=False, soft_wrap=True)
    console.print(f"next     jobyard predict {result['model']} PICTURE...", soft_wrap=True)


def _class_names(given: str) -> list[str]:
    """Those of an option: between commas, or the lines of a file."""
    if not given.startswith("@"):
        return [name.strip() for name in given.split(",")]
    try:
        lines = expanded(given[1:]).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise click.UsageError(f"--classes: {given[1:]} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--classes: {given[1:]}: byte {error.start + 1} is not UTF-8") from None
    return [line.strip() for line in lines if line.strip()]


@models.command()
@click.argument("model", shell_complete=complete_model)
@click.argument("alias")
def alias(model: str, alias: str) -> None:
    """Set ALIAS of this MODEL; another version of its name loses it."""
    with connect() as client:
        known = client.model(model)
        client.set_alias(known["name"], alias, known["version"])
    click.echo(f"{known['name']}@{alias} is {known['reference']}")


@models.command()
@click.argument("reference", metavar="NAME@ALIAS")
def unalias(reference: str) -> None:
    """Remove an alias; its model is kept."""
    name, _, alias = reference.partition("@")
    if not alias:
        raise click.UsageError(f"{reference}: should be like name@alias")
    with connect() as client:
        client.remove_alias(name, alias)
    click.echo(f"{reference} was removed")


@models.command()
@click.argument("model", metavar="NAME@VERSION|ID", shell_complete=complete_model)
@click.option(
    "--alias", "aliases", multiple=True, help="An alias of it that is deleted, too; repeat it for several."
)
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(model: str, aliases: tuple[str, ...], yes: bool) -> None:
    """Delete a model and its file permanently.

    A model that has aliases is deleted only with these: type them when you are asked, or give --alias.
    """
    with connect() as client:
        if not yes:
            aliases = _confirmed(model, client.model(model), aliases)
        client.delete_model(model, aliases=aliases)
    click.echo(f"{model} was deleted")


def _confirmed(model: str, known: Json, aliases: tuple[str, ...]) -> tuple[str, ...]:
    """The aliases that are deleted, too. Raises click.Abort where that is not wanted, or nobody answers."""
    try:
        click.confirm(f"Delete {model} permanently?", abort=True)
        for alias in known["aliases"]:
            if alias not in (*COMPUTED, *aliases):
                written = click.prompt(f"It is {known['name']}@{alias}, too. Type {alias} to delete that")
                aliases = (*aliases, written.strip())
    except click.Abort:
        click.echo("jobyard: nothing was deleted; --yes deletes without a question", err=True)
        raise
    return aliases

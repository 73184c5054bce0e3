"""The command models: what is registered, its aliases, and its files."""

import json
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli.session import connect, output, print_json

SHOWN = 50


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each model.")
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List, download, alias or delete models.

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
@click.argument("model")
@click.option(
    "-o",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to save it; default: NAME-VERSION.keras.",
)
@click.option(
    "--card",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the model card as this JSON file, too.",
)
def download(model: str, target: Path | None, card: Path | None) -> None:
    """Save MODEL as a .keras file; with --card, save its model card as JSON, too."""
    for path in (target, card):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.UsageError(f"{path}: there is no folder {path.parent}")
    with connect() as client:
        # By its version: an alias may be moved between the two.
        known = client.model_card(model)
        path = target or Path(f"{known['name']}-{known['version']}.keras")
        client.download_model(known["reference"], path)
        if card is not None:
            card.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(f"{path}: {known['reference']}, SHA-256 {known['sha256']}")


@models.command()
@click.argument("model")
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
@click.argument("model", metavar="NAME@VERSION|ID")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(model: str, yes: bool) -> None:
    """Delete a model and its file permanently."""
    with connect() as client:
        if not yes:
            click.confirm(f"Delete {model} permanently?", abort=True)
        client.delete_model(model)
    click.echo(f"{model} was deleted")

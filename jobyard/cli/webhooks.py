"""The command webhooks: who is told of what, and what each was sent."""

from collections.abc import Iterator

import click
from rich.markup import escape

from jobyard.cli.many import confirm
from jobyard.cli.session import (
    connect,
    json_option,
    label_option,
    labels_of,
    print_json,
    print_list,
)
from jobyard.cli.times import since
from jobyard.client import Client
from jobyard.client.errors import Json
from jobyard.client.lines import on_a_line

EVENTS = ("succeeded", "failed", "cancelled", "waiting_long", "queue_paused")
ENDS = EVENTS[:3]
COLUMNS = ("name", "url", "events", "only", "state")
OF_A_DELIVERY = ("id", "event", "job", "age", "status", "tries", "last answer")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each webhook.")
@click.pass_context
def webhooks(context: click.Context, as_json: bool) -> None:
    """List, add, change, test or delete webhooks. WEBHOOK is a name or an id."""
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        print_list(client.webhooks(), _row, *COLUMNS, as_json=as_json, nothing="no webhooks")


@webhooks.command()
@click.argument("name")
@click.argument("url")
@click.option(
    "--event", "events", multiple=True, type=click.Choice(EVENTS), help="Default: how a job has ended."
)
@click.option("--kind", "kinds", multiple=True, help="Only jobs of this kind; repeat it for several.")
@label_option
@json_option
def add(
    name: str,
    url: str,
    events: tuple[str, ...],
    kinds: tuple[str, ...],
    labels_given: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell URL of events from now on, under a NAME of your choice. The secret is printed this once."""
    labels = labels_of(labels_given) or None
    with connect() as client:
        made = client.add_webhook(name, url, events=events or ENDS, kinds=kinds, labels=labels)
    _print_secret(made, as_json)


@webhooks.command()
@click.argument("webhook")
@json_option
def rotate(webhook: str, as_json: bool) -> None:
    """Replace the secret of WEBHOOK. For a day messages are signed with both."""
    with connect() as client:
        changed = client.rotate_webhook(_found(client, webhook)["id"])
    _print_secret(changed, as_json)


@webhooks.command()
@click.argument("webhook")
def enable(webhook: str) -> None:
    """Send to WEBHOOK again."""
    _switch(webhook, enabled=True)


@webhooks.command()
@click.argument("webhook")
def disable(webhook: str) -> None:
    """Send nothing to WEBHOOK, and keep what it waits for until it is enabled."""
    _switch(webhook, enabled=False)


@webhooks.command()
@click.argument("webhook")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(webhook: str, yes: bool) -> None:
    """Delete WEBHOOK with its deliveries, also those that were not sent yet."""
    with connect() as client:
        found = _found(client, webhook)
        if not yes:
            confirm(f"Delete the webhook {found['name']} permanently?")
        client.delete_webhook(found["id"])
    click.echo(f"{found['name']} was deleted")


@webhooks.command()
@click.argument("webhook")
@json_option
def test(webhook: str, as_json: bool) -> None:
    """Send a test to WEBHOOK; `deliveries` shows what came of it."""
    with connect() as client:
        delivery = client.test_webhook(_found(client, webhook)["id"])
    if as_json:
        print_json(delivery)
    else:
        click.echo(f"delivery {delivery['id']} is being sent; see `jobyard webhooks deliveries {webhook}`")


@webhooks.command()
@click.argument("webhook")
@click.option("--status", type=click.Choice(["pending", "delivered", "failed"]))
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each delivery.")
def deliveries(webhook: str, status: str | None, limit: int, as_json: bool) -> None:
    """List what WEBHOOK was sent and will be, newest first."""
    with connect() as client:
        found = client.deliveries(_found(client, webhook)["id"], status=status, limit=limit)
        print_list(found, _delivery, *OF_A_DELIVERY, as_json=as_json, nothing="no deliveries")


@webhooks.command()
@click.argument("webhook")
@click.argument("delivery_ids", metavar="DELIVERY...", nargs=-1, required=True, type=click.IntRange(1))
def resend(webhook: str, delivery_ids: tuple[int, ...]) -> None:
    """Send deliveries of WEBHOOK again, each under the id that it had."""
    with connect() as client:
        webhook_id = _found(client, webhook)["id"]
        for delivery_id in delivery_ids:
            client.resend(webhook_id, delivery_id)
            click.echo(f"delivery {delivery_id} is being sent again")


def _row(webhook: Json) -> Iterator[str]:
    yield webhook["name"]
    yield escape(webhook["url"])
    yield ", ".join(webhook["events"])
    yield escape(_only(webhook))
    yield escape(_state(webhook))


def _delivery(one: Json) -> Iterator[str]:
    yield str(one["id"])
    yield one["event"]
    yield one["job_id"] or "–"
    yield since(one["created_at"])
    yield one["status"]
    yield str(one["attempts"])
    yield escape(on_a_line(one["last_error"] or str(one["last_status"] or "–")))


def _switch(webhook: str, *, enabled: bool) -> None:
    with connect() as client:
        client.change_webhook(_found(client, webhook)["id"], enabled=enabled)
    click.echo(f"{webhook} is {'enabled' if enabled else 'disabled'}")


def _found(client: Client, name: str) -> Json:
    """By its name or id. Raises click.UsageError."""
    known = client.webhooks()
    for webhook in known:
        if name in (webhook["name"], webhook["id"]):
            return webhook
    names = ", ".join(webhook["name"] for webhook in known) or "none"
    raise click.UsageError(f"there is no webhook {name}; there are: {names}")


def _print_secret(webhook: Json, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
        return
    click.echo(f"webhook {webhook['name']}: {webhook['url']}")
    click.echo(f"secret  {webhook['secret']}")
    click.echo("Keep the secret: it is not shown again.")


def _only(webhook: Json) -> str:
    labels = [f"{key}={value}" for key, value in webhook["labels"].items()]
    return on_a_line(", ".join([*webhook["kinds"], *labels]))


def _state(webhook: Json) -> str:
    if webhook["enabled"]:
        return "enabled"
    return on_a_line(f"disabled: {webhook['disabled_reason']}" if webhook["disabled_reason"] else "disabled")

"""What a shell offers for an argument that names something of the server: its models and newest jobs."""

import itertools
from collections.abc import Callable, Iterable, Iterator

import click
from click.shell_completion import CompletionItem

from jobyard.cli.session import connect
from jobyard.client import Client

# Of so many newest ones those are offered that begin so.
NEWEST = 50
# Longer, nobody waits for a shell.
TIMEOUT_SECONDS = 3.0

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(ask: Callable[[Client], Iterable[CompletionItem]]) -> Completer:
    """Offers nothing where the server doesn't answer: a shell shows no errors."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            # Of the words so far, which may name the server: `jobyard -s lab …`.
            with context.scope(cleanup=False), connect(TIMEOUT_SECONDS) as client:
                return [item for item in ask(client) if str(item.value).startswith(incomplete)]
        except click.ClickException:
            return []

    return complete


def _models(client: Client) -> Iterator[CompletionItem]:
    newest = list(itertools.islice(client.models(), NEWEST))
    for name in dict.fromkeys(model["name"] for model in newest):
        yield CompletionItem(name)
    for model in newest:
        yield CompletionItem(model["reference"], help=model["network"])
        for alias in model["aliases"]:
            yield CompletionItem(f"{model['name']}@{alias}", help=model["reference"])


def _jobs(client: Client) -> Iterator[CompletionItem]:
    yield CompletionItem("@last", help="your newest job")
    for job in client.jobs(limit=NEWEST):
        yield CompletionItem(job.id, help=f"{job.state}: {job.title}")


complete_model = _completer(_models)
complete_job = _completer(_jobs)

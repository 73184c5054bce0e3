"""The command `jobyard`."""

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

import click

from jobyard import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

FAILED = 1
WRONG = 2
INTERRUPTED = 130


class Command(NamedTuple):
    """Where a command is, and the line that the list of all commands has for it.

    Its module is loaded when the command is used: the list itself, and shells' completion, need none.
    """

    module: str
    summary: str


COMMANDS = {
    "up": Command(
        "jobyard.cli.server", "Start everything on this machine: Redis, web, workers, sweeper and Flower."
    ),
    "demo": Command(
        "jobyard.cli.server",
        "Run a demo of everything: import, train, predict and score, on its own server in ./.demo.",
    ),
    "url": Command("jobyard.cli.server", "Print the dashboard's address, with the login token."),
    "train": Command("jobyard.cli.trainings", "Train on a folder of pictures or an imported data set."),
    "predict": Command("jobyard.cli.predictions", "Classify pictures with a trained model."),
    "evaluate": Command(
        "jobyard.cli.evaluations", "Judge a model on a folder of pictures or an imported data set."
    ),
    "score": Command("jobyard.cli.scores", "Score the sentiment of texts, or of a file of texts."),
    "submit": Command("jobyard.cli.submission", "Submit a job of any kind, given the fields of its spec."),
    "models": Command("jobyard.cli.models", "List, add, download, alias or delete models."),
    "files": Command("jobyard.cli.files", "List uploads, newest first, or delete them."),
    "jobs": Command("jobyard.cli.jobs", "List jobs, newest first."),
    "edit": Command("jobyard.cli.edits", "Change a job's name, labels, note or priority."),
    "watch": Command("jobyard.cli.jobs", "Follow a job to its end."),
    "pause": Command("jobyard.cli.jobs", "Pause a job; a training keeps its progress."),
    "resume": Command("jobyard.cli.jobs", "Resume a paused job."),
    "cancel": Command(
        "jobyard.cli.jobs", "Cancel a job: at once if it is queued, at its next step if it is running."
    ),
    "retry": Command("jobyard.cli.jobs", "Run a failed or cancelled job again, and follow it."),
    "delete": Command("jobyard.cli.deletion", "Delete jobs that have ended, with their results and files."),
    "queues": Command("jobyard.cli.queues", "List, pause, resume or limit queues."),
    "workers": Command("jobyard.cli.workers", "List workers, or drain one or all of a host."),
    "failures": Command(
        "jobyard.cli.failures",
        "List what failed alike within a day and what is tried again, or retry it.",
    ),
    "webhooks": Command("jobyard.cli.webhooks", "List, add, change, test or delete webhooks."),
    "tokens": Command("jobyard.cli.tokens", "List, create or revoke named tokens."),
    "audit": Command("jobyard.cli.audit", "List who changed what for others, newest first."),
    "doctor": Command(
        "jobyard.cli.doctor",
        "Look at settings, versions, database, broker, storage and workers, and say what to do.",
    ),
    "backup": Command(
        "jobyard.cli.keeping", "Copy database and files into the new folder DIR, while the server runs."
    ),
    "restore": Command(
        "jobyard.cli.keeping", "Restore a backup into an empty HOME, or an empty database and storage."
    ),
    "move": Command(
        "jobyard.cli.keeping", "Move all rows to another, empty database, while the server is stopped."
    ),
    "logs": Command("jobyard.cli.jobs", "Print a job's timeline, and what its work printed and logged."),
    "results": Command("jobyard.cli.saving", "Show or save the results of a job that has succeeded."),
    "completion": Command("jobyard.cli.completion", "Print what makes bash, zsh or fish complete commands."),
}
# What other programs call them.
SYNONYMS = {"ls": "jobs", "list": "jobs", "ps": "jobs", "status": "jobs", "rm": "delete", "kill": "cancel",
            "stop": "cancel", "start": "up", "serve": "up", "download": "results", "import": "train",
            "run": "submit", "sentiment": "score"}  # fmt: skip


class _Commands(click.Group):
    """The commands, loaded when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name].module), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from jobyard.client.suggestions import nearest

            meant = SYNONYMS.get(name.lower()) or nearest(name.lower(), COMMANDS)
            hint = f"; did you mean {meant!r}?" if meant is not None else ""
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=command.summary)
            for name, command in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"max_content_width": 100})
@click.version_option(__version__)
@click.option("-s", "--server", metavar="NAME", help="Talk to this server of ~/.config/jobyard/config.toml.")
@click.pass_context
def cli(context: click.Context, server: str | None) -> None:
    """Jobyard: train image classifiers, predict pictures and score texts on your own machines.

    Start with `jobyard up`, or `jobyard demo` for a tour of everything. Set JOBYARD_URL
    and JOBYARD_TOKEN to use a server on another machine.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Run the command line and exit."""
    # As Ctrl-C, so that copies of standard input and drafts of files are deleted; servers have their own.
    signal.signal(signal.SIGTERM, _end)
    sys.exit(run(sys.argv[1:]))


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def run(arguments: Sequence[str]) -> int:
    """Run one command: 0, 1 if its job failed, 2 with one line if something is wrong, 130 after Ctrl-C."""
    try:
        status = cli.main(arguments, prog_name="jobyard", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk is one line
    except click.UsageError as error:
        hint = f" (see `{error.ctx.command_path} --help`)" if error.ctx is not None else ""
        return _complain(error.format_message().rstrip(".") + hint)
    except click.ClickException as error:
        return _complain(error.format_message())
    except (click.Abort, KeyboardInterrupt) as interrupt:
        _say_notes(interrupt)
        return INTERRUPTED
    except SystemExit as end:
        _say_notes(end)
        raise
    except BrokenPipeError:
        # The reader (`| head`) has enough.
        _write_no_more()
        return FAILED
    except OSError as error:  # where it has no file, it is what is printed: to a full disk, say
        _write_no_more()
        what = f"{error.filename} can't be used" if error.filename else "standard output can't be written"
        return _complain(f"{what}: {error.strerror or error}")
    return status if isinstance(status, int) else 0


def _write_no_more() -> None:
    """Python's own flush at the end must not complain either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_notes(end: BaseException | None) -> None:
    """Print the notes of an interrupt, and of those that it interrupted in turn, each once."""
    notes: dict[str, None] = {}
    while end is not None:
        notes |= dict.fromkeys(getattr(end, "__notes__", ()))
        end = end.__cause__ or end.__context__
    for note in notes:
        click.echo(note, err=True)


def _complain(message: str) -> int:
    click.echo(f"jobyard: {' '.join(message.split())}", err=True)
    return WRONG

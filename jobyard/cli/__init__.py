"""The command `jobyard`."""

import importlib
import os
import sys
from collections.abc import Sequence

import click

from jobyard.shared.errors import JobyardError

# Where each command is; its module is loaded when it is used, so that all of them start quickly.
COMMANDS = {
    "up": "jobyard.cli.server",
    "demo": "jobyard.cli.server",
    "url": "jobyard.cli.server",
    "train": "jobyard.cli.trainings",
    "predict": "jobyard.cli.predictions",
    "score": "jobyard.cli.scores",
    "models": "jobyard.cli.models",
    "jobs": "jobyard.cli.jobs",
    "watch": "jobyard.cli.jobs",
    "pause": "jobyard.cli.jobs",
    "resume": "jobyard.cli.jobs",
    "cancel": "jobyard.cli.jobs",
    "retry": "jobyard.cli.jobs",
    "logs": "jobyard.cli.jobs",
}

FAILED = 1
WRONG = 2
INTERRUPTED = 130


class _Commands(click.Group):
    """The commands, loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"max_content_width": 100})
@click.version_option(package_name="jobyard")
@click.pass_context
def cli(context: click.Context) -> None:
    """Jobyard: train image classifiers, predict pictures and score texts on your own machines.

    Start with `jobyard up`, or `jobyard demo` to see everything once. JOBYARD_URL and JOBYARD_TOKEN
    point to a server on another machine.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command: 0, 1 if its job failed, 2 with one line if something is wrong, 130 after Ctrl-C."""
    try:
        status = cli.main(arguments, prog_name="jobyard", standalone_mode=False)
    except click.UsageError as error:
        hint = f" (see `{error.ctx.command_path} --help`)" if error.ctx is not None else ""
        return _complain(error.format_message().rstrip(".") + hint)
    except click.ClickException as error:
        return _complain(error.format_message())
    except JobyardError as error:
        return _complain(error.message)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has enough; Python's own flush at the end must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status if isinstance(status, int) else 0


def _complain(message: str) -> int:
    click.echo(f"jobyard: {' '.join(message.split())}", err=True)
    return WRONG

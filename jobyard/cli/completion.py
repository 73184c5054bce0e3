"""The command completion: what a shell needs to complete commands, options and their values."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from jobyard.cli import cli

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice([*SHELLS]))
def completion(shell: str) -> None:
    """Print what makes bash, zsh or fish complete commands.

    In ~/.bashrc: eval "$(jobyard completion bash)", in ~/.zshrc: eval "$(jobyard completion zsh)"; for fish:
    jobyard completion fish > ~/.config/fish/completions/jobyard.fish
    """
    made = SHELLS[shell](cli, {}, "jobyard", "_JOBYARD_COMPLETE")
    # Of bash, `source` would start one to look at its version.
    click.echo(made.source_template % made.source_vars())

"""``poolserver completion``: what a shell needs to complete commands."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what completes commands in a shell.

    For bash add to ~/.bashrc: source <(poolserver completion bash). So too for zsh in ~/.zshrc;
    fish has it in ~/.config/fish/completions/poolserver.fish.
    """
    made = get_completion_class(shell)
    assert made is not None, shell
    click.echo(made(context.find_root().command, {}, "poolserver", "_POOLSERVER_COMPLETE").source())

"""What the program needs of Typer beyond its public names.

Typer carries its own copy of Click under a private name: the errors of a command line, choices and the search for
completions have no public home. Only this module imports them; a test watches that they are what they were.
"""

from typer._click.exceptions import ClickException as CommandLineError
from typer._click.shell_completion import CompletionItem, ShellComplete, split_arg_string
from typer._types import TyperChoice as Choice

__all__ = ["Choice", "CommandLineError", "CompletionItem", "ShellComplete", "split_arg_string"]

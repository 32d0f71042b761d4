"""The command line: argument parsing, files and messages; the work is done by the pipeline and its neighbours.

Exit codes: 0 done, 1 could not do it, 2 wrong usage. Results go to stdout, progress and errors to stderr.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from hyperstyle.cli import batch, catalogue, download, faces, measuring, motion, train
from hyperstyle.errors import HyperStyleError
from hyperstyle.version import VERSION

INTERRUPTED = 130  # what typer makes of Ctrl-C

app = typer.Typer(
    name="hyperstyle",
    help="Rebuild a face with HyperStyle, then edit it with sliders and words.",
    epilog="Add --debug to any command to see the full traceback of an unexpected error.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
faces.register(app)
batch.register(app)
motion.register(app)
catalogue.register(app)
download.register(app)
train.register(app)
measuring.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"hyperstyle {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows the program's name; default: the process's own.

    Returns:
        The exit code: 0, 1 or 2.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        result = app(args=words, prog_name="python -m hyperstyle", standalone_mode=False)
    except HyperStyleError as error:
        return _complain(str(error), error.exit_code, debug)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("Interrupted.", 1, debug)
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        sys.stdout = None  # or Python complains again while it exits
        return 1
    except Exception as error:
        explain = getattr(error, "format_message", None)  # typer's own complaints about the command line have it
        if explain is not None:
            exit_code = int(getattr(error, "exit_code", 2))
            sentence = " ".join(str(explain()).split()).rstrip(".")
            # Without any words typer has already shown the help page, and there is nothing to add.
            return _complain(f"{sentence}{_help_hint(error)}.", exit_code, debug) if sentence else exit_code
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return _complain(f"Sorry, something unexpected went wrong ({what}); add --debug to see where.", 1, debug)
    if result == INTERRUPTED:
        return _complain("Interrupted.", 1, debug)
    return result if isinstance(result, int) else 0


def _help_hint(error: Exception) -> str:
    """Point a mistyped command line at the right help page."""
    context = getattr(error, "ctx", None)
    return f"; try {context.command_path} --help" if context is not None else ""


def _complain(sentence: str, exit_code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(sentence, file=sys.stderr)
    return exit_code

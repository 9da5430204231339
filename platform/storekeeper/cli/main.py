"""`storekeeper`: the one command, joined from the platform's own commands and those of the packages above it."""

import os
import re
import sys
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, TextIO

import typer

import storekeeper
from storekeeper.cli import audit_commands, feature_commands, ingest_commands, monitor_commands, shop_commands
from storekeeper.cli.demo import demo
from storekeeper.cli.extras import advise
from storekeeper.errors import SourceError, StorekeeperError, UsageError
from storekeeper.settings import HOME_VARIABLE

_ENTRY_POINTS = "storekeeper.commands"
_PASSWORD = re.compile(r"://[^/@\s]*@")


def build_app() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        name="storekeeper",
        help="A feature store that predicts how people behave in an online shop.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_options)
    shop_commands.register(app)
    feature_commands.register(app)
    ingest_commands.register(app)
    audit_commands.register(app)
    monitor_commands.register(app)
    for entry in sorted(entry_points(group=_ENTRY_POINTS), key=lambda entry: entry.name):
        entry.load()(app)
    app.command()(demo)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"storekeeper {storekeeper.__version__}")
        raise typer.Exit


def _options(
    home: Annotated[
        Path | None,
        typer.Option(help=f"The project root, which holds feature_repo/. Default: ${HOME_VARIABLE}, or found upward."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A feature store that predicts how people behave in an online shop."""
    del version
    if home is not None:
        os.environ[HOME_VARIABLE] = str(home.resolve())


def main() -> None:
    """Run the command line; a mendable error is one message on stderr and its exit code."""
    _quiet()
    try:
        build_app()()
    except StorekeeperError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        advice = advise(error)
        if advice is None:
            raise
        typer.echo(f"Error: {advice}", err=True)
        sys.exit(UsageError.exit_code)
    except _database_errors() as error:
        told = str(getattr(error, "orig", None) or error).partition("\n")[0]
        typer.echo(f"Error: A database can't be used: {_PASSWORD.sub('://***@', told)}", err=True)
        sys.exit(SourceError.exit_code)


def _database_errors() -> type[Exception]:
    """What SQLAlchemy raises; imported only once something has gone wrong."""
    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError


def _is_ours(filename: str) -> bool:
    """Whether a source file is Storekeeper's: by its package, for a checkout's folder may be called anything."""
    *_, installed = filename.rpartition(f"site-packages{os.sep}")
    return installed.startswith("storekeeper") if installed != filename else f"{os.sep}storekeeper" in filename


def _quiet() -> None:
    """Drop what libraries warn of themselves, such as Feast's word at each start that stream views are new."""
    show = warnings.showwarning

    def ours_only(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if _is_ours(filename):
            show(message, category, filename, lineno, file, line)

    if not sys.warnoptions:
        warnings.showwarning = ours_only

"""`storekeeper serve`."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; only this machine can reach the default.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    max_rows: Annotated[
        int, typer.Option(min=1, envvar="STOREKEEPER_MAX_ROWS", help="Rows that one request may ask for.")
    ] = 1000,
    max_body_bytes: Annotated[int, typer.Option(min=1, help="Bytes that the body of one request may have.")] = 4
    * 1024
    * 1024,
) -> None:
    """Serve predictions over HTTP until stopped; prints `Serving on URL` once it answers."""
    from storekeeper.settings import Settings
    from storekeeper_serving.options import ServingOptions
    from storekeeper_serving.process import serve_project

    serve_project(
        Settings.load(), ServingOptions(max_rows=max_rows, max_body_bytes=max_body_bytes), host, port, typer.echo
    )

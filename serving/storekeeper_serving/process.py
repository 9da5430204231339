"""From a project on disk to a server that answers."""

from collections.abc import Callable
from contextlib import closing

from storekeeper.artefact import list_artefacts
from storekeeper.errors import NotFoundError
from storekeeper.settings import Settings
from storekeeper_serving.options import ServingOptions


def serve_project(
    settings: Settings, options: ServingOptions, host: str, port: int, tell: Callable[[str], None]
) -> None:
    """Serve a project's models until SIGTERM or SIGINT; `tell` is given the URL once it answers.

    Raises
    ------
    NotFoundError
        If no model is there, or none can be served; the message says why.
    UsageError
        If the port is taken.
    SettingError, SourceError
        If the feature store can't be opened.
    """
    if not list_artefacts(settings.models_dir):
        raise NotFoundError(
            f"There is no trained model in '{settings.models_dir}', so there is nothing to serve. "
            f"Train one: storekeeper train purchase."
        )
    from storekeeper_serving.server import bind_socket

    # The port is taken first: importing and loading take seconds.
    with closing(bind_socket(host, port)) as bound:
        from storekeeper_serving.app import LOOPBACK_HOSTS, create_app
        from storekeeper_serving.engine import Engine
        from storekeeper_serving.server import is_loopback, run_server, url_of

        engine = Engine(settings, options)
        with closing(engine):
            if not any(engine.catalogue.served()):
                reasons = " ".join(refusal.problem.message for refusal in engine.catalogue.refused())
                raise NotFoundError(f"No model can be served. {reasons}")
            hosts = (*LOOPBACK_HOSTS, host, bound.getsockname()[0]) if is_loopback(bound) else ()
            run_server(create_app(settings, options, engine, hosts), bound, lambda: tell(f"Serving on {url_of(bound)}"))

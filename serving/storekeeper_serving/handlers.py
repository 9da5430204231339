"""Every error as the same JSON; never a stack trace."""

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from storekeeper.errors import SourceError, StorekeeperError
from storekeeper_serving.problems import Problem, RefusedError, RequestError


def register_handlers(app: FastAPI) -> None:
    """Answer errors of an application in one form."""
    app.add_exception_handler(StorekeeperError, _known)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unknown)


def json_response(content: object, status: int = 200) -> Response:
    """An answer as JSON; NaN and infinities become null."""
    return Response(to_json(content, inf_nan_mode="null"), status, media_type="application/json")


def problem_response(problem: Problem) -> Response:
    """An error as JSON."""
    return json_response(problem.as_dict(), problem.status)


async def _known(_: Request, error: Exception) -> Response:
    if isinstance(error, RequestError | RefusedError):
        return problem_response(error.problem)
    if isinstance(error, SourceError):
        return problem_response(Problem(503, "store_unavailable", str(error)))
    # The request was checked before: what is left is this side's fault.
    return problem_response(Problem(500, "prediction_failed", str(error)))


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    paths = [f"{method.upper()} {path}" for path, item in request.app.openapi()["paths"].items() for method in item]
    summary = f"{request.method} {request.url.path[:100]}: {getattr(error, 'detail', error)}."
    code = {404: "unknown_path", 405: "wrong_method"}.get(status, "http_error")
    return problem_response(Problem(status, code, summary, exists=[*paths, "GET /", "GET /docs"], do="See /docs."))


async def _gone(_: Request, error: Exception) -> Response:
    return problem_response(Problem(400, "client_gone", f"The request ended before its body did. {error}".strip()))


async def _unknown(_: Request, error: Exception) -> Response:
    summary = f"The prediction failed with a {type(error).__name__}."
    return problem_response(Problem(500, "internal_error", summary, do="Look into the server's log."))

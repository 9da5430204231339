"""The HTTP face of an engine."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from storekeeper import __version__
from storekeeper.artefact import Manifest
from storekeeper.settings import Settings
from storekeeper_serving.engine import Answer, Engine
from storekeeper_serving.front_page import render_front_page
from storekeeper_serving.handlers import json_response, register_handlers
from storekeeper_serving.inputs import PredictBody
from storekeeper_serving.metrics import CONTENT_TYPE, MeasuredApp, Metrics
from storekeeper_serving.options import ServingOptions
from storekeeper_serving.predictor import Prediction
from storekeeper_serving.problems import Problem, RefusedError, RequestError
from storekeeper_serving.pushes import body_types, push_body
from storekeeper_serving.schemas import ErrorAnswer, Health, PredictAnswer, PushAnswer, TaskInfo
from storekeeper_serving.status import check_health, describe_tasks

_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "No such task, model or version; lists those that exist."},
    409: {"model": ErrorAnswer, "description": "The model was trained on other feature definitions."},
    413: {"model": ErrorAnswer, "description": "The body is too large."},
    422: {"model": ErrorAnswer, "description": "A body that can't be used: says what was expected and what came."},
    503: {"model": ErrorAnswer, "description": "The online store, or the model, can't be used now."},
}
_PUSH_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "No such push source; lists those that exist."},
    413: _ERRORS[413],
    415: {"model": ErrorAnswer, "description": "The body's content type is none of those that can be read."},
    422: _ERRORS[422],
    503: {"model": ErrorAnswer, "description": "The online store can't be used now."},
}
_BODY = {"required": True, "content": {"application/json": {"schema": PredictBody.model_json_schema()}}}

router = APIRouter()


# A page elsewhere can point a name of its own at this machine, but not make the browser say one of these.
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


def create_app(
    settings: Settings,
    options: ServingOptions | None = None,
    engine: Engine | None = None,
    hosts: Sequence[str] = (),
) -> FastAPI:
    """An application that opens its engine when it starts and writes out its log when it stops.

    Parameters
    ----------
    settings
        The project.
    options
        Limits.
    engine
        One that is open already; it is closed when the application stops.
    hosts
        Names under which it may be asked, such as `LOOPBACK_HOSTS`; others get 400. By default any.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = await run_in_threadpool(Engine, settings, options) if engine is None else engine
        await run_in_threadpool(opened.warm_up)
        app.state.engine = opened
        app.state.metrics.watch(opened)
        try:
            yield
        finally:
            app.state.engine = None
            await run_in_threadpool(opened.close)

    # FastAPI's own documentation page is blank where its CDN can't be reached.
    app = FastAPIOffline(
        title="Storekeeper",
        version=__version__,
        summary="How a shop's customers will behave, from online features.",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.engine, app.state.metrics = None, Metrics()
    if hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    # Last, and so around all else: what is refused is counted, too.
    app.add_middleware(MeasuredApp, metrics=app.state.metrics)
    app.include_router(router)
    register_handlers(app)
    _show_examples(app)
    return app


def engine_of(request: Request) -> Engine:
    """The running engine; 503 before it has started and after it was stopped."""
    engine: Engine | None = request.app.state.engine
    if engine is None:
        raise RefusedError(Problem(503, "not_ready", "Serving is starting or stopping.", do="Try again shortly."))
    return engine


Running = Annotated[Engine, Depends(engine_of)]


async def read_body(request: Request, engine: Running) -> bytes:
    """The body, refused as soon as it is too large."""
    body, limit = bytearray(), engine.options.max_body_bytes
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            problem = Problem(413, "body_too_large", "The body is too large.", f"at most {limit} bytes", do="Split it.")
            raise RequestError(problem)
    return bytes(body)


@router.post(
    "/predict/{task}",
    response_model=PredictAnswer,
    responses=_ERRORS,
    openapi_extra={"requestBody": _BODY},
    tags=["predict"],
)
def predict(request: Request, task: str, body: Annotated[bytes, Depends(read_body)], engine: Running) -> Response:
    """Predict for entity keys: reads their online features now, and answers probabilities, or quantities.

    Each entity key and context value is a list with one value a row, or one value for all rows: one customer and 500
    categories are `{"customer_id": 7, "category": ["SOUP", ...]}`.
    """
    answer = engine.predict(task, body)
    request.app.state.metrics.count_answer(answer)
    return json_response(_answer_content(answer))


@router.post(
    "/events/{source}",
    response_model=PushAnswer,
    responses=_PUSH_ERRORS,
    openapi_extra={"requestBody": body_types()},
    tags=["events"],
)
def push(request: Request, source: str, body: Annotated[bytes, Depends(read_body)], engine: Running) -> Response:
    """Push raw events to a push source: every window over it shows them at once.

    An event counts once, however often it is sent. Events that can't be kept are told in the answer, one by one, and
    the others go in: a status of 200 says that the body could be read.
    """
    return json_response(push_body(engine.store, source, request.headers.get("content-type", ""), body))


@router.get("/tasks", response_model=list[TaskInfo], tags=["about"])
def tasks(engine: Running) -> Response:
    """Tasks with their models, and the entity keys and context that each needs."""
    return json_response(describe_tasks(engine))


@router.get("/health", response_model=Health, responses={503: {"model": Health}}, tags=["about"])
def health(engine: Running) -> Response:
    """Whether predictions can be made; 503 if none can."""
    found = check_health(engine)
    return json_response(found, 503 if found.status == "unavailable" else 200)


@router.get("/metrics", response_class=PlainTextResponse, dependencies=[Depends(engine_of)], tags=["about"])
def metrics(request: Request) -> Response:
    """For Prometheus: requests, errors, latencies and rows, the served log, and how fresh each view's state is."""
    return Response(request.app.state.metrics.render(), headers={"content-type": CONTENT_TYPE})


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
def front_page(request: Request, engine: Running) -> str:
    """For people: what is served, and where to go on."""
    return render_front_page(check_health(engine), describe_tasks(engine), str(request.base_url))


def _answer_content(answer: Answer) -> dict[str, Any]:
    manifest, prediction = answer.model.manifest, answer.prediction
    content: dict[str, Any] = {
        "task": manifest.task,
        "model": manifest.model,
        "version": manifest.version,
        "served_at": answer.served_at,
        "request_id": answer.request_id,
        **_numbers(manifest, prediction),
    }
    if answer.with_features:
        content["features"] = prediction.features.to_pydict()
    if answer.explanation is not None:
        content["explanation"] = answer.explanation
    return content


def _numbers(manifest: Manifest, prediction: Prediction) -> dict[str, Any]:
    """What was predicted, by the model's kind."""
    numbers = prediction.numbers.tolist()
    if prediction.decisions is not None:
        decisions = prediction.decisions.tolist()
        return {"threshold": manifest.threshold, "probabilities": numbers, "decisions": decisions}
    content: dict[str, Any] = {"quantities": numbers}
    if manifest.interval is not None and prediction.bounds is not None:
        low, high = (bound.tolist() for bound in prediction.bounds)
        content |= {"level": manifest.interval.level, "low": low, "high": high}
    return content


def _show_examples(app: FastAPI) -> None:
    """Put a working body for every task into the OpenAPI page; anew each time, since models come and go."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        schema = describe()
        engine: Engine | None = app.state.engine
        examples = {t.task: {"value": t.example} for t in describe_tasks(engine) if t.example} if engine else {}
        content = schema["paths"]["/predict/{task}"]["post"]["requestBody"]["content"]["application/json"]
        content["examples"] = examples
        return schema

    app.openapi = openapi  # type: ignore[method-assign]

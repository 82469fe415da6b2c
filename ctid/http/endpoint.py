"""One HTTP operation as data, and the way every request goes from bytes to handler and back.

The same :class:`Endpoint` makes the route and its OpenAPI description, so they cannot differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from crmcore.errors import Forbidden
from ctid.access import Action, House, HouseOf, Scope, Viewer
from ctid.http.audit import actor_of, audit
from ctid.http.auth import Authenticator, Login
from ctid.http.errors import FieldError, Problem
from ctid.http.idempotency import Answer, Idempotency
from ctid.http.listenings import Listenings
from ctid.http.locking import etag, expected_versions
from ctid.http.services import Services
from ctid.import_desk import ImportDesk
from ctid.passage import Passage
from ctid.veil import veiled_json
from ctid.view_json import dumps
from routing.errors import FactError
from routing.facts import Fact
from routing.views import InteractionView

M = TypeVar("M", bound=BaseModel)
Result = web.StreamResponse | Mapping[str, Any] | None
MAX_ID = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one path below ``/api/v1``.

    ``action`` is the right that is needed (``None``: no login). ``problems`` are the codes it may
    give beyond the ones that follow from its shape. ``answer``: the JSON model, or ``None`` for
    204 (``media`` empty) or for another media type. ``replay``: accepts ``Idempotency-Key``.
    ``audited``: refusals are written to the audit trail, as the handler writes what it did.
    ``versioned``: the answer's ``version`` is also its ``ETag``. ``lock``: ``If-Match`` is
    ``required`` or ``optional`` (RFC 9110 section 13.1.1). ``upload``: the body is a file of one
    of these media types, which the handler reads itself.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Call], Awaitable[Result]]
    action: Action | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    media: str = "application/json"
    problems: tuple[str, ...] = ()
    replay: bool = False
    audited: bool = False
    versioned: bool = False
    lock: Literal["", "optional", "required"] = ""
    upload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all endpoints of one server share."""

    services: Services
    auth: Authenticator
    idempotency: Idempotency
    house_of: HouseOf
    listenings: Listenings
    imports: ImportDesk
    passage: Passage
    exporting: asyncio.Semaphore
    scanning: asyncio.Semaphore
    explaining: asyncio.Semaphore


CONTEXT = web.AppKey("context", Context)


class Call:
    """One request on its way through a handler."""

    __slots__ = ("_body", "_login", "_query", "context", "endpoint", "request")

    def __init__(self, context: Context, endpoint: Endpoint, request: web.Request) -> None:
        self.context = context
        self.endpoint = endpoint
        self.request = request
        self._login: Login | None = None
        self._body: BaseModel | None = None
        self._query: BaseModel | None = None

    @property
    def services(self) -> Services:
        """The seams to the rest of the daemon."""
        return self.context.services

    @property
    def login(self) -> Login:
        """Who asks, and by which session or token."""
        assert self._login is not None, "the endpoint needs no login"
        return self._login

    @property
    def viewer(self) -> Viewer:
        """Who asks."""
        return self.login.viewer

    @property
    def house(self) -> House:
        """Who belongs to what, by the configuration in force."""
        return self.context.house_of(self.services.engine.config)

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.services.clock.now_s()

    @property
    def expected(self) -> frozenset[int] | None:
        """The versions that ``If-Match`` names; ``None``: any."""
        return expected_versions(self.request.headers.get("If-Match"))

    @property
    def scope(self) -> Scope:
        """How far the asker's right to this endpoint reaches."""
        assert self.endpoint.action is not None
        return self.viewer.scope(self.endpoint.action)

    def body(self, model: type[M]) -> M:
        """The checked body."""
        assert isinstance(self._body, model)
        return self._body

    def query(self, model: type[M]) -> M:
        """The checked query."""
        assert isinstance(self._query, model)
        return self._query

    def path_id(self, name: str = "id") -> str:
        """An id out of the path. What cannot be an id is not found."""
        value = self.request.match_info[name]
        if not value or len(value) > MAX_ID or not value.isprintable():
            raise Problem("not_found")
        return value

    def shown(self, view: InteractionView) -> dict[str, Any]:
        """A live interaction as the asker may see it."""
        return veiled_json(view, actor_of(self))

    async def submit(self, fact: Fact) -> None:
        """Hand a fact to the pump and wait for the engine's word; 409 when it refuses."""
        try:
            async with asyncio.timeout(self.services.settings.submit_timeout_s):
                receipt = await self.services.submit(fact)
        except TimeoutError:
            raise Problem("timeout") from None
        if not receipt.accepted:
            raise Problem("refused", receipt.reason)


def route_handler(
    context: Context, endpoint: Endpoint
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of an endpoint."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call = Call(context, endpoint, request)
        if endpoint.action is not None:
            call._login = await context.auth.identify(request)
            if endpoint.method != "GET":
                context.auth.check_csrf(request, call.login)
            if call.scope is Scope.NONE:
                await _note_refusal(call)
                raise Problem("forbidden")
        if endpoint.lock == "required" and "If-Match" not in request.headers:
            raise Problem("precondition_required")
        if endpoint.query is not None or request.query:
            call._query = _read_query(request, endpoint.query)
        raw = await _read_body(request, context, endpoint)
        if endpoint.body is not None:
            call._body = _parse_body(raw, endpoint.body)
        key = request.headers.get("Idempotency-Key", "")
        if not (key and endpoint.replay):
            return _response(await _run(call), endpoint)
        scope = (call.viewer.username, endpoint.method, request.path, key)
        answer = await context.idempotency.once(scope, raw, lambda: _answer(call))
        return web.Response(
            status=answer.status, body=answer.body, content_type=answer.content_type
        )

    return handle


async def _run(call: Call) -> Result:
    try:
        return await call.endpoint.handler(call)
    except FactError as error:
        raise Problem("invalid", str(error)) from None
    except Problem as problem:
        if problem.code == "forbidden":
            await _note_refusal(call)
        raise
    except Forbidden:
        await _note_refusal(call)
        raise


async def _note_refusal(call: Call) -> None:
    if call.endpoint.audited:
        target = call.request.match_info.get("id", "")[:MAX_ID]
        await audit(call, "refused", call.endpoint.handler.__name__, target, {})


async def _answer(call: Call) -> Answer:
    try:
        response = _response(await _run(call), call.endpoint)
    except Problem as problem:
        response = problem.response()
    body = response.body if isinstance(response, web.Response) else b""
    assert body is None or isinstance(body, bytes)
    return Answer(response.status, body or b"", response.content_type)


def _response(result: Result, endpoint: Endpoint) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    if result is None:
        return web.Response(status=204)
    headers = {"ETag": etag(result["version"])} if endpoint.versioned else {}
    return web.Response(body=dumps(result), content_type="application/json", headers=headers)


async def _read_body(request: web.Request, context: Context, endpoint: Endpoint) -> bytes:
    if endpoint.body is None:
        return b""
    if request.content_type != "application/json":
        raise Problem("unsupported_media_type")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem("unsupported_media_type", "Send the body without Content-Encoding")
    settings = context.services.settings
    if (request.content_length or 0) > settings.body_limit:
        raise Problem("body_too_large", f"At most {settings.body_limit} bytes")
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            return await request.read()
    except TimeoutError:
        raise Problem("body_timeout") from None


def _parse_body(raw: bytes, model: type[BaseModel]) -> BaseModel:
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        if details[0]["type"] == "json_invalid":
            raise Problem("malformed_json", details[0]["msg"]) from None
        raise _problem("body", details) from None


def _read_query(request: web.Request, model: type[BaseModel] | None) -> BaseModel | None:
    if model is None:
        model = NoQuery
    names = [name for name, _ in request.query.items()]
    if len(set(names)) < len(names):
        raise Problem("invalid", errors=[FieldError("query", "duplicate", "given twice")])
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise _problem("query", details) from None


class NoQuery(BaseModel, extra="forbid"):
    """An endpoint without query parameters."""


def _problem(where: str, details: list[Any]) -> Problem:
    errors = [
        FieldError(
            ".".join((where, *(_printable(str(part)) for part in d["loc"]))),
            str(d["type"]),
            _printable(str(d["msg"]).removeprefix("Value error, ")),
            params={
                name: _printable(value) if isinstance(value, str) else value
                for name, value in d.get("ctx", {}).items()
                if isinstance(value, str | int | float)
            },
        )
        for d in details[:50]
    ]
    first = errors[0]
    return Problem("invalid", f"{first.field}: {first.detail}", errors)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:200])

"""The HTTP server: routes, what surrounds every request, and its start and staged stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiohttp import web

from crmcore import errors as crm
from ctid.access import HouseOf, Viewer
from ctid.http.auth import Authenticator
from ctid.http.client_files import ClientFiles
from ctid.http.endpoint import CONTEXT, Context, route_handler
from ctid.http.errors import FieldError, Problem, from_http
from ctid.http.events_models import EVENTS
from ctid.http.idempotency import Idempotency
from ctid.http.listener import Gate
from ctid.http.listenings import Listenings
from ctid.http.metrics import Metrics
from ctid.http.openapi import BASE, describe
from ctid.http.routes import ENDPOINTS
from ctid.http.services import Services
from ctid.import_desk import ImportDesk
from ctid.passage import Passage
from ctid.view_json import dumps

log = structlog.get_logger(__name__)

LINGER_S = 2.0
"""How long a refused request's body is read and thrown away, so that its sender sees the answer."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECURITY_HEADERS = {
    # Vue binds inline styles, so attributes are allowed; style sheets and scripts are files only
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}


class HttpServer:
    """A running server. ``port`` is the real one, also where the settings said 0."""

    def __init__(
        self,
        services: Services,
        runner: web.AppRunner,
        listener: asyncio.Server,
        life: _Life,
        imports: ImportDesk,
        passage: Passage,
    ) -> None:
        self._services = services
        self._runner = runner
        self.app = runner.app
        self._listener = listener
        self._life = life
        self._imports = imports
        self._passage = passage
        self.port: int = listener.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = self._services.settings.host
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - not bound
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{self.port}"

    def refuse(self) -> None:
        """First stage: no new connections; new requests on open ones get ``stopping``."""
        self._listener.close()
        self._life.stopping = True

    async def drain(self) -> bool:
        """Second stage: end the event streams, wait for requests that run; false: some remain."""
        self._services.hub.close()
        try:
            async with asyncio.timeout(self._services.settings.drain_s):
                await self._life.idle()
        except TimeoutError:
            log.warning("http_requests_remain", requests=sorted(self._life.running.values()))
            return False
        return True

    async def close(self) -> None:
        """Last stage: end every connection, and an import that still runs."""
        await self._imports.close()
        await self._runner.cleanup()
        await asyncio.to_thread(self._passage.clear)

    async def stop(self) -> None:
        """All stages."""
        self.refuse()
        await self.drain()
        await self.close()


class _Life:
    """Which requests run, and whether new ones are still taken."""

    def __init__(self) -> None:
        self.stopping = False
        self.running: dict[int, str] = {}
        self._changed = asyncio.Event()

    def begin(self, request: web.Request) -> None:
        self.running[id(request)] = f"{request.method} {_route_name(request)}"

    def end(self, request: web.Request) -> None:
        self.running.pop(id(request), None)
        self._changed.set()

    async def idle(self) -> None:
        while self.running:
            self._changed.clear()
            await self._changed.wait()


async def start_http(services: Services) -> HttpServer:
    """Listen and serve. Raises OSError where the address cannot be had."""
    settings = services.settings
    auth = Authenticator(services.store.users, services.clock, settings)
    passage = Passage(services.store.db.path)
    await asyncio.to_thread(passage.clear)  # what a crash left
    context = Context(
        services=services,
        auth=auth,
        idempotency=Idempotency(services.clock),
        house_of=HouseOf(),
        listenings=Listenings(),
        imports=ImportDesk(services.store, services.clock, passage, _tell_imports(services)),
        passage=passage,
        exporting=asyncio.Semaphore(1),
        scanning=asyncio.Semaphore(1),
        explaining=asyncio.Semaphore(1),
    )
    life = _Life()
    app = make_app(context, life)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=settings.keepalive_s,
        auto_decompress=False,
        lingering_time=LINGER_S,
        shutdown_timeout=settings.drain_s,
    )
    await runner.setup()
    assert runner.server is not None
    gate = Gate(
        runner.server,
        max_connections=settings.max_connections,
        header_timeout_s=settings.header_timeout_s,
    )
    try:
        listener = await asyncio.get_running_loop().create_server(
            gate, settings.host, settings.port, backlog=512
        )
    except OSError:
        await runner.cleanup()
        raise
    server = HttpServer(services, runner, listener, life, context.imports, passage)
    log.info("http_listening", url=server.url)
    return server


def _tell_imports(services: Services) -> Callable[[str, Mapping[str, Any]], None]:
    """How far an import is, for the one who runs it."""

    def tell(username: str, data: Mapping[str, Any]) -> None:
        def is_owner(viewer: Viewer) -> bool:
            return viewer.username == username

        services.hub.publish("import", data, audience=is_owner)
        if data["state"] != "running":
            services.crm_changed()

    return tell


def make_app(context: Context, life: _Life) -> web.Application:
    """The application with all its routes."""
    services = context.services
    metrics = Metrics(services)
    description = dumps(describe(ENDPOINTS, EVENTS))
    app = web.Application(
        middlewares=[_surround(context, life, metrics)],
        client_max_size=services.settings.body_limit,
    )
    app[CONTEXT] = context
    app.on_response_prepare.append(_secure)
    for endpoint in ENDPOINTS:
        app.router.add_route(
            endpoint.method, BASE + endpoint.path, route_handler(context, endpoint)
        )

    async def openapi(request: web.Request) -> web.Response:
        return web.Response(body=description, content_type="application/json")

    async def health(request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def ready(request: web.Request) -> web.Response:
        parts = dict(services.readiness())
        fine = all(parts.values()) and not life.stopping
        return _json(
            {"status": "ready" if fine else "not_ready", "parts": parts}, 200 if fine else 503
        )

    async def figures(request: web.Request) -> web.Response:
        return web.Response(
            body=metrics.text(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    app.router.add_get(BASE + "/openapi.json", openapi)
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", figures)
    return app


def _json(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=dumps(data), status=status, content_type="application/json")


def _surround(context: Context, life: _Life, metrics: Metrics) -> Any:
    files = ClientFiles(context.services.settings.web_dir)

    @web.middleware
    async def surround(request: web.Request, handler: Handler) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        began = loop.time()
        route = _route_name(request)
        life.begin(request)
        status = 500
        try:
            if life.stopping and request.path not in ("/healthz", "/readyz", "/metrics"):
                raise Problem("stopping", headers={"Connection": "close", "Retry-After": "2"})
            response = await _answer(request, handler, files)
            status = response.status
            return response
        except Problem as problem:
            status = problem.status
            return problem.response()
        finally:
            life.end(request)
            metrics.answered(request.method, route, status, loop.time() - began)

    return surround


async def _answer(request: web.Request, handler: Handler, files: ClientFiles) -> web.StreamResponse:
    """The handler's answer, with every error turned into a problem."""
    try:
        return await handler(request)
    except Problem:
        raise
    except web.HTTPNotFound as error:
        if request.method in ("GET", "HEAD") and not _is_api(request.path):
            served = await files.serve(request.path)
            if served is not None:
                return served
        raise from_http(error) from None
    except web.HTTPException as error:
        if error.status < 400:
            raise
        raise from_http(error) from None
    except crm.StoreError as error:
        raise _from_store(error) from None
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("http_request_failed", method=request.method, route=_route_name(request))
        raise Problem("internal") from None


def _from_store(error: crm.StoreError) -> Problem:
    detail = str(error)
    match error:
        case crm.NotFound():
            return Problem("not_found", detail)
        case crm.Conflict():
            return Problem("conflict", detail)
        case crm.Forbidden():
            return Problem("forbidden", detail)
        case crm.Invalid():
            fields = [FieldError(**one) for one in error.details()]
            return Problem("invalid", detail, fields)
        case crm.StoreBusy():
            return Problem("busy", detail, headers={"Retry-After": "1"})
        case crm.StoreClosed():
            return Problem("stopping", detail)
        case _:
            log.error("http_store_failed", error=detail, kind=type(error).__name__)
            return Problem("internal")


def _is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _route_name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "ctid"

"""Problems: every error is ``application/problem+json`` (RFC 9457) with a stable ``code``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ctid.view_json import dumps

# code: (status, title)
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not valid JSON"),
    "bad_request": (400, "The request cannot be understood"),
    "not_logged_in": (401, "Log in first"),
    "wrong_credentials": (401, "Wrong user name or password"),
    "invalid_token": (401, "The API token is not valid"),
    "csrf": (403, "The request lacks the header X-Requested-With: ctid"),
    "read_only": (403, "The configuration is not changed over HTTP here"),
    "forbidden": (403, "Your role does not allow this"),
    "not_found": (404, "There is no such thing here"),
    "no_audio": (404, "There is no audio"),
    "method_not_allowed": (405, "This method is not allowed here"),
    "body_timeout": (408, "The body came too slowly"),
    "refused": (409, "Not possible in the present state"),
    "conflict": (409, "Somebody else changed it meanwhile"),
    "precondition_failed": (412, "It was changed since it was read"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "Send the body in a media type that is taken here"),
    "range_not_satisfiable": (416, "The file has no such range"),
    "invalid": (422, "Some fields are not right"),
    "idempotency_key_reused": (422, "This Idempotency-Key was used for another request"),
    "precondition_required": (428, "Send If-Match with the ETag that was read"),
    "too_many_attempts": (429, "Too many failed attempts; wait and try again"),
    "too_many_streams": (429, "Too many event streams are open; close one"),
    "internal": (500, "Something went wrong here; it was logged"),
    "busy": (503, "Too busy at the moment; try again"),
    "stopping": (503, "The server is stopping"),
    "timeout": (504, "No answer in time; look before you try again"),
}

_BY_STATUS = {
    400: "bad_request",
    401: "not_logged_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    503: "busy",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. ``field``: the path, such as ``body.status``.

    ``line`` counts from 1 where the field is a text with lines. ``params``: what the code turns on
    (``{"min": 8}``), so that a client can say it in its reader's language.
    """

    field: str
    code: str
    detail: str
    choices: tuple[str, ...] = ()
    line: int | None = None
    params: Mapping[str, int | float | str] | None = None

    def data(self) -> dict[str, Any]:
        """Plain JSON data."""
        out: dict[str, Any] = {"field": self.field, "code": self.code, "detail": self.detail}
        if self.choices:
            out["choices"] = list(self.choices)
        if self.line is not None:
            out["line"] = self.line
        if self.params:
            out["params"] = dict(self.params)
        return out


@dataclass
class Problem(Exception):
    """An error for the one who asked. ``detail`` says what to do next."""

    code: str
    detail: str = ""
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return PROBLEMS[self.code][0]

    def data(self) -> dict[str, Any]:
        """The body (RFC 9457 members, ``code`` and ``errors`` as extensions)."""
        status, title = PROBLEMS[self.code]
        out: dict[str, Any] = {
            "type": f"urn:ctid:problem:{self.code}",
            "title": title,
            "status": status,
            "code": self.code,
            "detail": self.detail or title,
        }
        if self.errors:
            out["errors"] = [e.data() for e in self.errors]
        return out

    def response(self) -> web.Response:
        """The answer to send."""
        return web.Response(
            status=self.status,
            body=dumps(self.data()),
            content_type="application/problem+json",
            headers=self.headers,
        )


def invalid(
    name: str, code: str, detail: str, choices: Sequence[str] = (), **params: int | str
) -> Problem:
    """A 422 about one field; ``choices`` are the values that would have been right."""
    error = FieldError(name, code, detail, tuple(choices[:50]), params=params)
    return Problem("invalid", detail, [error])


def from_http(error: web.HTTPException) -> Problem:
    """aiohttp's own errors (no route, wrong method, body too large) as a problem."""
    code = _BY_STATUS.get(error.status, "internal" if error.status >= 500 else "bad_request")
    headers = {k: v for k, v in error.headers.items() if k in ("Allow", "Retry-After")}
    return Problem(code, headers=headers)

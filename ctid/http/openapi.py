"""The OpenAPI 3.1 description, generated from the same endpoints that make the routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ctid import __version__
from ctid.access import PERMISSIONS, Scope
from ctid.http.auth import COOKIE, CSRF_HEADER
from ctid.http.endpoint import Endpoint
from ctid.http.errors import PROBLEMS
from ctid.http.models import ProblemOut

BASE = "/api/v1"
REF = "#/components/schemas/{model}"


def describe(endpoints: Sequence[Endpoint], events: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """The whole description. ``events``: models of the event stream's data."""
    models: list[tuple[type[BaseModel], Any]] = [(ProblemOut, "serialization")]
    for endpoint in endpoints:
        models += [(m, "validation") for m in (endpoint.body, endpoint.query) if m is not None]
        models += [(endpoint.answer, "serialization")] if endpoint.answer is not None else []
    models += [(m, "serialization") for m in events]
    refs, schemas = models_json_schema(models, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, refs)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ctid",
            "version": __version__,
            "description": "Call-center server. Times are ISO 8601 in UTC; durations are seconds. "
            f"Changing requests by session cookie need the header `{CSRF_HEADER}: ctid`.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": BASE}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def codes_of(endpoint: Endpoint) -> tuple[str, ...]:
    """Every problem code that the endpoint may answer with."""
    codes = ["bad_request", "invalid", "stopping", "internal"]
    if endpoint.action is not None:
        codes += ["not_logged_in", "invalid_token"]
        if endpoint.method != "GET":
            codes.append("csrf")
        if any(scope is not Scope.ALL for scope in PERMISSIONS[endpoint.action].values()):
            codes.append("forbidden")
    if endpoint.body is not None:
        codes += ["malformed_json", "body_too_large", "unsupported_media_type", "body_timeout"]
    if endpoint.upload:
        codes += ["body_too_large", "unsupported_media_type", "body_timeout"]
    if endpoint.lock:
        codes.append("precondition_failed")
    if endpoint.lock == "required":
        codes.append("precondition_required")
    if "{" in endpoint.path:
        codes.append("not_found")
    if endpoint.replay:
        codes.append("idempotency_key_reused")
    codes += endpoint.problems
    return tuple(dict.fromkeys(codes))


def _operation(endpoint: Endpoint, refs: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": endpoint.handler.__name__,
        "tags": [endpoint.path.split("/")[1]],
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint, refs),
        "security": [{"session": []}, {"token": []}] if endpoint.action is not None else [],
    }
    if endpoint.handler.__doc__:
        operation["description"] = endpoint.handler.__doc__
    if endpoint.action is not None:
        operation["x-permission"] = {
            "action": endpoint.action.value,
            "roles": {r.value: s.value for r, s in PERMISSIONS[endpoint.action].items()},
        }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": refs[endpoint.body, "validation"]}},
        }
    elif endpoint.upload:
        binary = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(endpoint.upload, binary),
        }
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    if endpoint.query is not None:
        schema = endpoint.query.model_json_schema(ref_template=REF)
        required = schema.get("required", [])
        for name, field in schema["properties"].items():
            field = dict(field)
            described = field.pop("description", None)
            parameter = {"name": name, "in": "query", "required": name in required, "schema": field}
            parameters.append(parameter | ({"description": described} if described else {}))
    if endpoint.replay:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "an action sent twice with the same key is done once",
                "schema": {"type": "string", "maxLength": 200},
            }
        )
    if endpoint.lock:
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": endpoint.lock == "required",
                "description": "the ETag that was read, or `*`",
                "schema": {"type": "string", "maxLength": 200},
            }
        )
    if endpoint.media == "text/event-stream":
        parameters.append(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
            }
        )
    return parameters


def _responses(endpoint: Endpoint, refs: Any) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if endpoint.answer is not None:
        content = {"application/json": {"schema": refs[endpoint.answer, "serialization"]}}
        responses["200"] = {"description": "OK", "content": content}
        if endpoint.versioned:
            tag = {"description": "the version", "schema": {"type": "string"}}
            responses["200"]["headers"] = {"ETag": tag}
    elif endpoint.media != "application/json":
        responses["200"] = {"description": "OK", "content": {endpoint.media: {}}}
    else:
        responses["204"] = {"description": "Done"}
    for code in codes_of(endpoint):
        status = str(PROBLEMS[code][0])
        known = responses.setdefault(
            status,
            {
                "description": "",
                "content": {
                    "application/problem+json": {
                        "schema": {"$ref": REF.format(model=ProblemOut.__name__)}
                    }
                },
            },
        )
        known["description"] = ", ".join(filter(None, [known["description"], f"`{code}`"]))
    return responses

"""The OpenAPI document of the admin API; `make docs` writes it to ``docs/simulate-admin.openapi.json``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from revvlink_cli._version import __version__
from revvlink_cli.config.json_schema import table_schema
from revvlink_cli.services.simulator_admin.routes import ROUTES
from revvlink_cli.services.simulator_admin.views import SCHEMAS

if TYPE_CHECKING:
    from revvlink_cli.config.schema import Key
    from revvlink_cli.services.simulator_admin.routes import Route

FAILURES = {
    400: "The request is wrong; problems names every mistake",
    401: "The token is missing or wrong",
    404: "There is no such node or fault",
    409: "It cannot be done now: the node is down, or runs already",
    413: "The body is too large",
    504: "It did not happen in time",
}
"""Status -> what it means."""


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "revvlink simulate",
            "version": __version__,
            "description": "Controls simulated Lavalink nodes: `revvlink simulate --admin PORT`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://127.0.0.1:{port}", "variables": {"port": {"default": "2400"}}}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": SCHEMAS,
            "responses": {str(status): _answer(text, "Error") for status, text in FAILURES.items()},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": route.name, "summary": route.help}
    parts = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer" if name == "number" else "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    if parameters := [*parts, *map(_parameter, route.query)]:
        found["parameters"] = parameters
    if route.body != ():
        found["requestBody"] = {
            "required": route.body is None or any(key.required for key in route.body),
            "content": {"application/json": {"schema": _body(route.body)}},
        }
    failures = [400, 401]
    failures += [404] if "{" in route.path or any(key.name == "node" for key in route.query) else []
    failures += [409, 413] if route.method == "POST" else []
    failures += [504] if route.path == "/wait" else []
    found["responses"] = {"200": _answer("Done", route.returns)} | {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in failures
    }
    return found


def _parameter(key: Key) -> dict[str, Any]:
    schema = dict(table_schema((key,))["properties"][key.name])
    help_text = schema.pop("description")
    return {"name": key.name, "in": "query", "description": help_text, "required": key.required, "schema": schema}


def _body(keys: tuple[Key, ...] | None) -> dict[str, Any]:
    if keys is None:
        return {"type": "object", "minProperties": 1}
    required = [key.name for key in keys if key.required]
    return table_schema(keys) | ({"required": required} if required else {})


def _answer(text: str, returns: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": _schema_of(returns)}}}


def _schema_of(returns: str) -> dict[str, Any]:
    """The schema of an answer: `Node[]` is an object with a list of nodes."""
    if returns.endswith("[]"):
        name = returns.removesuffix("[]")
        items = {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
        return {"type": "object", "required": [f"{name.lower()}s"], "properties": {f"{name.lower()}s": items}}
    return {"$ref": f"#/components/schemas/{returns}"}

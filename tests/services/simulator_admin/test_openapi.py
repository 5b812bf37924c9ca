"""The OpenAPI document of the admin API."""

from __future__ import annotations

import json
from pathlib import Path

from openapi_spec_validator import validate

from revvlink_cli.services.simulator_admin.openapi import document
from revvlink_cli.services.simulator_admin.routes import ROUTES

FILE = Path(__file__).resolve().parents[3] / "docs" / "simulate-admin.openapi.json"


def test_the_document_is_valid_and_current() -> None:
    """By a validator that is not ours; every route of the server is in the file, and no other."""
    written = json.loads(FILE.read_text(encoding="utf-8"))
    validate(written)

    assert written == document(), "run `make docs`"
    described = {(method.upper(), path) for path, methods in written["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}

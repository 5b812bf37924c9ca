"""What the tests of alerts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.services.alerting.alert_server import AlertServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[AlertServer]:
    """A server that takes alerts."""
    made = AlertServer()
    yield made
    made.close()

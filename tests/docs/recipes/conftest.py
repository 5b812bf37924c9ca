"""The fixture that all tests of recipes share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.docs.recipes.recipe_host import PASSWORD, Host, Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A machine on which all is well."""
    profiles = [
        NodeProfile(
            identifier=name,
            region=name.partition("-")[0],
            password=PASSWORD,
            players=5,
            playing=3,
            route_planner="RotateOnBan",
            youtube_plugin="1.13.5",
            youtube_token=True,
        )
        for name in ("us-1", "eu-1", "asia-1")
    ]
    with Webhook() as webhook, Simulator(profiles) as fleet:
        serving = threading.Thread(target=webhook.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield Host(tmp_path_factory.mktemp("host"), fleet, webhook)
        finally:
            webhook.shutdown()
            serving.join()

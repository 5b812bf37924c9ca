"""The recipe for Compose: it fits the specification, and the bot starts when Lavalink is ready."""

from __future__ import annotations

import threading
import time

from tests.docs.recipes.read_recipes import waiting
from tests.docs.recipes.recipe_host import PATHS, Host, documents, validated


def test_schema_of_compose_accepts_the_file() -> None:
    """It is as the specification of Compose has it; the bot waits for a wait that succeeded, and secrets exist."""
    validated("vendor.compose-spec", "compose.yaml")
    (compose,) = documents("compose.yaml")
    services = compose["services"]

    assert services["bot"]["depends_on"]["ready"]["condition"] == "service_completed_successfully"
    assert services["ready"]["restart"] == "no"
    assert services["ready"]["environment"]["REVVLINK_PASSWORD_FILE"] == (
        f"/run/secrets/{services['ready']['secrets'][0]}"
    )
    (secret,) = services["lavalink"]["secrets"]
    assert {secret["source"], *services["ready"]["secrets"], *services["bot"]["secrets"]} == set(compose["secrets"])


def test_the_bot_of_compose_is_started_when_lavalink_is_ready(host: Host) -> None:
    """The wait ends with 0 for a node that is started late, and with another code for a wrong password."""
    line, environment = waiting()
    env = {"PATH": PATHS} | {key: host.place(value) for key, value in environment.items()}
    host.fleet["us-1"].kill()
    late = threading.Timer(1.5, host.fleet["us-1"].start)
    late.start()
    begun = time.monotonic()
    try:
        ran = host.run(line, **env)
    finally:
        late.join()
    assert ran.code == 0, ran.err
    assert 1.4 < time.monotonic() - begun < 20

    host.secret(host.root / "secrets" / "lavalink_password", "wrong")
    assert host.run(line, **env).code == 4

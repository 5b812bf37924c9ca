"""The recipe for Kubernetes: it fits the schemas, and its probes run."""

from __future__ import annotations

import subprocess

from tests.docs.recipes.read_recipes import container, probes
from tests.docs.recipes.recipe_host import PASSWORD, PATHS, RECIPES, Host, documents, program, seconds


def test_schemas_of_kubernetes_accept_the_file() -> None:
    """Its schemas know every field, and the password comes from the secret that is there."""
    line = [program("kubernetes-validate"), "--strict", str(RECIPES / "kubernetes.yaml")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    secret, _ = documents("kubernetes.yaml")

    for entry in container()["env"]:
        if "valueFrom" in entry:
            named = entry["valueFrom"]["secretKeyRef"]
            assert named["name"] == secret["metadata"]["name"]
            assert named["key"] in secret["stringData"]


def test_the_probes_of_kubernetes(host: Host) -> None:
    """Each probe is 0 while the node is well, 1 when it is dead, and is over before Kubernetes gives up on it."""
    found = probes()
    env = {entry["name"]: host.place(entry.get("value", PASSWORD)) for entry in container()["env"]} | {"PATH": PATHS}
    assert set(found) == {"startupProbe", "readinessProbe", "livenessProbe"}

    for probe in found.values():
        command = probe["exec"]["command"]
        assert host.run(command, **env).code == 0
        assert 1 < seconds(command[command.index("--timeout") + 1]) < probe["timeoutSeconds"]
    host.fleet["us-1"].kill()
    for probe in found.values():
        assert host.run(probe["exec"]["command"], **env).code == 1

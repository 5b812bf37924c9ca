"""docs/performance.md: it is what the kept figures give, and its sharded monitoring works."""

from __future__ import annotations

import json
import re
import sys
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.docs.prometheus_programs import serving, tool
from tests.services.running_exporter import PASSWORD, ask, entry, eventually, exporter

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results.json"


@pytest.mark.skipif(sys.platform == "win32", reason="the benchmarks need a terminal of POSIX")
def test_page_has_the_kept_figures() -> None:
    """Every kept figure is of a row that exists, and one that misses its target is marked on the page."""
    from benchmarks.rows import ROWS

    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    page = PAGE.read_text(encoding="utf-8")

    assert set(kept) <= set(ROWS)
    for name, row in kept.items():
        (line,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert row["ours"] in line
        assert ("missed" in line) is not row["is_met"]


def test_growth_is_fitted() -> None:
    """The exponent of a constant, a linear and a quadratic cost, and about that of a logarithm."""
    from math import log

    from benchmarks.scaling import LOGARITHMIC, exponent

    sizes = (10, 100, 1000, 3000)

    assert exponent(sizes, [5.0] * 4) == pytest.approx(0)
    assert exponent(sizes, [2.0 * size for size in sizes]) == pytest.approx(1)
    assert exponent(sizes, [size**2 for size in sizes]) == pytest.approx(2)
    assert exponent(sizes, [log(size) for size in sizes]) < LOGARITHMIC < exponent(sizes, [size**0.5 for size in sizes])


def test_sharded_exporters_in_a_real_prometheus(write_config: Callable[..., Path], isolated: Path) -> None:
    """Two exporters by tag, the page's configuration: every node once, the fleet as a sum, all of it federated."""
    tool("prometheus")
    profiles = [
        NodeProfile(identifier=f"{shard}-{at}", region="us", password=PASSWORD) for shard in "ab" for at in range(2)
    ]
    with Simulator(profiles) as simulator:
        config = write_config(*({**entry(node), "tags": [f"shard-{node.profile.identifier[0]}"]} for node in simulator))
        with exporter(config, "--tag", "shard-a") as one, exporter(_copy(config), "--tag", "shard-b") as other:
            text = _shown("scrape_configs:\n  - job_name: revvlink")
            for written, running in (("127.0.0.1:9871", one), ("127.0.0.1:9872", other)):
                assert written in text
                text = text.replace(written, running.url.removeprefix("http://"))
            (isolated / "sharded").mkdir()
            (isolated / "sharded" / "prometheus.yml").write_text(
                f"global: {{scrape_interval: 1s}}\n{text}", encoding="utf-8"
            )
            arguments = ("--config.file=prometheus.yml", "--storage.tsdb.path=data")
            with serving(isolated / "sharded", ("prometheus",), *arguments) as address:

                def asked(query: str) -> list[dict[str, Any]]:
                    answer = ask(f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
                    found: list[dict[str, Any]] = json.loads(answer.text)["data"]["result"]
                    return found

                eventually(lambda: len(asked("revvlink_node_up == 1")) == 4, "all nodes are up")
                nodes = {(found["metric"]["shard"], found["metric"]["node"]) for found in asked("revvlink_node_up")}
                (total,) = asked("sum(revvlink_fleet_nodes)")
                wanted = re.findall(r"'(\{job=.*?)'", _shown("scrape_configs:\n  - job_name: federate"))
                federated = ask(
                    f"http://{address}/federate?{urllib.parse.urlencode({'match[]': wanted}, doseq=True)}"
                ).text

    assert nodes == {("a", "a-0"), ("a", "a-1"), ("b", "b-0"), ("b", "b-1")}
    assert total["value"][1] == "4"
    assert len(re.findall(r"^revvlink_node_up\{", federated, re.MULTILINE)) == 4


def _copy(config: Path) -> Path:
    """A second file with the same content: beside it stand the second exporter's outputs."""
    copy = config.with_name("other.toml")
    copy.write_text(config.read_text(encoding="utf-8"), encoding="utf-8")
    copy.chmod(0o600)
    return copy


def _shown(start: str) -> str:
    """The block of the page that begins like this."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if block.startswith(start))
    return str(found)

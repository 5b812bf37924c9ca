"""The checks of the server: its version, sources, plugins and filters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import Plugin
from revvlink_cli.health.findings import Finding, Verdict, worst
from revvlink_cli.health.plugin_requirements import read_plugins
from revvlink_cli.health.policy import read_version
from tests.health.judged_nodes import INFO, one, outcomes, snapshot, verdict


def test_a_node_that_does_not_say_what_it_is() -> None:
    """What is required of it cannot be known; where nothing is, that it does not say is worth a warning."""
    mute = snapshot(info=None)

    assert worst(outcomes(mute)) is Verdict.WARNING
    assert verdict(outcomes(mute, sources=("youtube",)), "info") is Verdict.UNKNOWN
    assert verdict(outcomes(mute, min_version=read_version("4")), "version") is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("4.2.2", "4.2.2", Verdict.OK),
        ("4.2.2", "4.2", Verdict.OK),
        ("4.2.2", "4.10", Verdict.CRITICAL),
        ("4.0.8", "4.1", Verdict.CRITICAL),
        ("4.1.0-beta.1", "4.1.0", Verdict.CRITICAL),
        ("4.2.2-beta.1", "4.2.2", Verdict.CRITICAL),
        ("4.2.2-beta.1", "4.2.1", Verdict.OK),
        ("4.2.2-beta.1", "4.2.2-beta.1", Verdict.OK),
        ("4.2.2-beta.2", "4.2.2-beta.11", Verdict.CRITICAL),
        ("4.2.2-rc.1", "4.2.2-beta.11", Verdict.OK),
        ("4.2.2+build.5", "4.2.2", Verdict.OK),
        ("4.2", "4.2.0", Verdict.OK),
        ("4.2.2-SNAPSHOT", "4.2.2", Verdict.CRITICAL),
        ("1234567-SNAPSHOT", "4.0", Verdict.UNKNOWN),
        ("ab12cd3-SNAPSHOT", "4.0", Verdict.UNKNOWN),
        ("", "4.0", Verdict.UNKNOWN),
    ],
)
def test_versions(version: str, wanted: str, expected: Verdict) -> None:
    """Versions are compared as semver does it, a development build cannot be; it is all one whether headers tell."""
    node = snapshot(info=replace(INFO, version=version))

    assert verdict(outcomes(node, min_version=read_version(wanted)), "version") is expected
    assert verdict(outcomes(replace(node, dialect=None), min_version=read_version(wanted)), "version") is expected
    assert (
        verdict(outcomes(replace(node, dialect=Dialect.NODELINK), min_version=read_version("9")), "version")
        is Verdict.OK
    )


@pytest.mark.parametrize(
    ("demands", "expected", "told"),
    [
        ({"sources": ("YouTube",)}, Verdict.OK, "all that is required"),
        ({"sources": ("youtube", "deezer")}, Verdict.CRITICAL, "lacks the source deezer"),
        (
            {"plugins": read_plugins(["youtube-plugin"]), "filters": ("timescale", "echo", "low")},
            Verdict.CRITICAL,
            "filters echo, low",
        ),
    ],
)
def test_what_is_required(demands: dict[str, Any], expected: Verdict, told: str) -> None:
    """Sources, plugins and filters that are required and not there are named, whatever their case."""
    found = one(outcomes(snapshot(), **demands), "info")

    assert isinstance(found, Finding)
    assert found.verdict is expected
    assert told in found.message


def test_what_is_required_and_not_told() -> None:
    """A node that does not tell its sources may have them."""
    assert (
        verdict(outcomes(snapshot(info=replace(INFO, sources=None)), sources=("youtube",)), "info") is Verdict.UNKNOWN
    )


@pytest.mark.parametrize(
    ("required", "version", "expected", "words"),
    [
        ("youtube-plugin>=1.13", "1.13", Verdict.OK, "all that is required"),
        ("YouTube-Plugin >= 1.13, < 2", "1.14.0-beta.1", Verdict.OK, "all that is required"),
        ("youtube-plugin==1.13.*", "v1.13.5", Verdict.OK, "all that is required"),
        ("youtube-plugin", "9087432", Verdict.OK, "all that is required"),
        ("youtube-plugin>=1.13", "1.12.9", Verdict.CRITICAL, "has the version 1.12.9, not >=1.13"),
        ("youtube-plugin>=1.13", "1.13.0-rc.1", Verdict.CRITICAL, "has the version 1.13.0-rc.1, not >=1.13"),
        ("youtube-plugin<1.13,!=1.12", "1.13", Verdict.CRITICAL, "not <1.13,!=1.12"),
        ("lavasrc-plugin>=4", "1.13", Verdict.CRITICAL, "lacks the plugin lavasrc-plugin"),
        ("youtube-plugin>=1.13", "9087432", Verdict.UNKNOWN, "9087432, which cannot be compared with >=1.13"),
        ("youtube-plugin>=1.13", "f6f1d3a-SNAPSHOT", Verdict.UNKNOWN, "f6f1d3a-SNAPSHOT, which cannot be compared"),
        ("youtube-plugin>=1.13", "", Verdict.UNKNOWN, "does not report its version"),
        ("youtube-plugin>=1.13", f"1.{'9' * 5000}", Verdict.UNKNOWN, "cannot be compared"),
    ],
)
def test_required_versions_of_plugins(required: str, version: str, expected: Verdict, words: str) -> None:
    """A version that does not meet the specifiers is CRITICAL; one that cannot be compared is UNKNOWN."""
    node = snapshot(info=replace(INFO, plugins=(Plugin("youtube-plugin", version),)))

    found = one(outcomes(node, plugins=read_plugins([required])), "info")
    assert isinstance(found, Finding)
    assert (found.verdict, words in found.message) == (expected, True), found.message

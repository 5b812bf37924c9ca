"""Required plugins: how they are read, and which mistakes are named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from revvlink_cli.health.plugin_requirements import read_plugins


def test_names_with_and_without_specifiers() -> None:
    """Spaces do not matter, and the text of a requirement is what the configuration shows."""
    found = read_plugins(["lavasrc-plugin", " youtube-plugin >= 1.13 , < 2 ", "a~=1.4", "b===1.2-SNAPSHOT"])

    assert [plugin.name for plugin in found] == ["lavasrc-plugin", "youtube-plugin", "a", "b"]
    assert [str(plugin) for plugin in found][:3] == ["lavasrc-plugin", "youtube-plugin>= 1.13,< 2", "a~=1.4"]


@pytest.mark.parametrize("text", ["a>", "a>=", "a=1", "a>=1,", "a>=latest", "a~=1", "a>=1 <2", "a=>1", "a!"])
def test_bad_specifiers(text: str) -> None:
    """The message has the whole text and the clause that is wrong."""
    with pytest.raises(ValueError, match="is not a version specifier: write one such as"):
        read_plugins([text])


def test_all_mistakes_are_named() -> None:
    """One message has every mistake of every requirement."""
    with pytest.raises(ValueError, match=r"'>=1'.*name a plugin; 'a<<1,>x': '<<1'.*; 'a<<1,>x': '>x'.*specifier"):
        read_plugins([">=1", "fine", "a<<1,>x"])


def test_bare_names_load_nothing() -> None:
    """The package that compares versions is loaded only when a specifier is used."""
    code = (
        "import sys; from revvlink_cli.health.plugin_requirements import read_plugins; "
        "assert read_plugins(['x'])[0].allows('1'); print('packaging' in sys.modules); "
        "read_plugins(['x>=1']); print('packaging' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "True"]

"""The table of backends: what derives from it, and that no face of a backend is forgotten."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from revvlink_cli.client.cache.backends import BACKENDS, DEFAULT_BACKEND
from revvlink_cli.client.errors import StoreException
from revvlink_cli.config.schema import SECTIONS
from revvlink_cli.config.settings import CacheSettings

ROOT = Path(__file__).parents[3]

KEYS = {key.name: key for key in SECTIONS["cache"]}


def settings(name: str, folder: Path) -> CacheSettings:
    """The settings of a backend with what it needs."""
    return CacheSettings(10, 60.0, name, folder / "cache.db", "redis://user:secret@127.0.0.1:1/0")


def test_the_configuration_offers_every_backend() -> None:
    """The key's choices and its default come from the table."""
    assert KEYS["backend"].choices == tuple(BACKENDS)
    assert KEYS["backend"].default == DEFAULT_BACKEND in BACKENDS


@pytest.mark.parametrize("name", BACKENDS)
def test_each_backend_is_described_in_the_documentation(name: str) -> None:
    """docs/cache.md has a paragraph on each backend, with its extra and the key that it needs."""
    backends = (ROOT / "docs" / "cache.md").read_text(encoding="utf-8").partition("## The backends")[2]
    (paragraph,) = (part for part in backends.partition("\n## ")[0].split("\n- ") if part.startswith(f"`{name}`"))
    if (extra := BACKENDS[name].extra) is not None:
        assert f"revvlink-cli[{extra}]" in paragraph
    if (required := BACKENDS[name].required) is not None:
        assert f"`cache.{required.name}`" in paragraph


@pytest.mark.parametrize("name", BACKENDS)
def test_what_a_backend_needs_can_be_installed_and_configured(name: str) -> None:
    """Its extra is one of the package, its key one of the configuration, and the example is without a problem."""
    if (extra := BACKENDS[name].extra) is not None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert extra in project["optional-dependencies"]
    if (required := BACKENDS[name].required) is not None:
        assert KEYS[required.name].example == required.example
        assert required.problem(required.example.strip('"')) is None


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_that_keeps_entries_opens_and_says_where(name: str, tmp_path: Path) -> None:
    """A store is made without touching disk or network; its place is shown without the password."""
    backend, chosen = BACKENDS[name], settings(name, tmp_path)
    assert (backend.open is None) == (backend.location is None)
    if backend.open is not None and backend.location is not None:
        store = backend.open(chosen, "fleet", print)
        assert all(callable(getattr(store, method)) for method in ("get", "put", "close", "listing", "stats"))
        assert "secret" not in backend.location(chosen)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name, backend in BACKENDS.items() if backend.extra])
def test_a_backend_without_its_extra_says_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint names the extra of the table."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    backend = BACKENDS[name]
    assert backend.open is not None
    with pytest.raises(StoreException) as caught:
        backend.open(settings(name, tmp_path), "fleet", print)
    assert f"revvlink-cli[{backend.extra}]" in (caught.value.hint or "")

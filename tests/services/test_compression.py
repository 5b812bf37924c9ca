"""Compression: which clients get gzip, and how often a body is compressed."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from revvlink_cli.services.compression import Compressor, accepts_gzip


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("GZIP;Q=0.5", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("*", True),
        ("x-gzip", True),
        ("br, gzip;q=0.001", True),
        ("gzip; q=0.8, identity;q=0.2", True),
        ("", False),
        ("br, deflate", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("gzip;q=nonsense", False),
        ("gzip;q=-1", False),
        ("gzip;q=nan", False),
        (",;,=", False),
    ],
)
def test_who_gets_gzip(header: str, expected: bool) -> None:
    """The q-values decide, as RFC 9110 has them."""
    assert accepts_gzip(header) is expected


def test_a_body_is_compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many clients that ask for one body at a time share the work."""
    calls: list[int] = []
    original = gzip.compress

    def counted(body: bytes, *arguments: Any, **options: Any) -> bytes:
        calls.append(len(body))
        return original(body, *arguments, **options)

    monkeypatch.setattr(gzip, "compress", counted)

    async def work() -> None:
        compressor = Compressor()
        made = await asyncio.gather(*[compressor.compressed(b"revvlink" * 1000) for _ in range(50)])
        assert {gzip.decompress(each) for each in made} == {b"revvlink" * 1000}
        for number in range(10):
            await compressor.compressed(b"%d" % number)

    asyncio.run(work())

    assert calls.count(8000) == 1

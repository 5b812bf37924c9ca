"""Passwords of the exporter: who is let in, what it costs, and what cannot be told from the time it takes."""

from __future__ import annotations

import asyncio
import threading

import bcrypt
import pytest

from revvlink_cli.services.web_gate import MOST_WAITING, BusyError, PasswordVerifier

LONG = b"x" * 72


def verifier() -> PasswordVerifier:
    """One for two users, with cheap hashes."""
    words = {"prometheus": b"secret", "long": LONG}
    return PasswordVerifier({name: bcrypt.hashpw(word, bcrypt.gensalt(4)) for name, word in words.items()})


def test_who_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right password is verified once, at any number of requests; a wrong one and an unknown name each time."""
    costs: list[bytes] = []
    check = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        costs.append(hashed[:7])
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)

    async def work() -> None:
        verified = verifier()
        both = await asyncio.gather(*[verified.is_right(b"prometheus", b"secret") for _ in range(20)])
        assert both == [True] * 20
        assert await verified.is_right(b"prometheus", b"secret")
        assert len(costs) == 1
        for name, password in ((b"prometheus", b"Secret"), (b"", b""), (b"nobody", b"secret"), (b"nobody", b"secret"),
                               (b"prometheuss", b"ecret"), (b"long", b"x" * 71), (b"\xff", b"\xff")):  # fmt: skip
            assert not await verified.is_right(name, password)
        assert len(costs) == 8, "an unknown name costs a verification, too"
        assert set(costs) == {b"$2b$04$"}
        assert await verified.is_right(b"long", LONG)
        assert await verified.is_right(b"long", LONG + b"y"), "bcrypt reads 72 bytes"
        assert not await verified.is_right(b"prometheus", b"secret\0")
        verified.close()

    asyncio.run(work())


def test_a_flood_of_wrong_passwords_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound they are refused at once, and a scrape with a known password still passes."""
    go = threading.Event()
    check = bcrypt.checkpw

    def slow(password: bytes, hashed: bytes) -> bool:
        if password != b"secret":
            go.wait(20)
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", slow)

    async def work() -> None:
        verified = verifier()
        assert await verified.is_right(b"prometheus", b"secret")
        flood = [asyncio.create_task(verified.is_right(b"a", b"%d" % n)) for n in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await verified.is_right(b"a", b"one more")
        assert await verified.is_right(b"prometheus", b"secret")
        for task in flood[:5]:
            task.cancel()  # a client that leaves takes nothing from the others
        go.set()
        assert await asyncio.gather(*flood[5:]) == [False] * (MOST_WAITING - 5)
        verified.close()

    asyncio.run(work())

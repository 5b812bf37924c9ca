"""Secrets in texts from elsewhere: found in every encoding, and nothing else masked."""

from __future__ import annotations

import asyncio
import random
import string
import time

import pytest

from revvlink_cli import Pool
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.node import Node
from revvlink_cli.client.redaction import MASK, Redactor, Secret, secrets_in_header, secrets_in_url
from tests.situations.echoing_servers import ENCODINGS, EchoingNode, shown_in

SECRETS = (
    "canary-pass-phrase",
    "Tr0ub4dor&3",
    'with "quotes" and \\backslash\\',
    "two  spaces, a\ttab",
    "plus+percent%41/slash?query#hash",
    "<tag attr='x'>&amp;",
    "pässwörd-straße",
    "\U0001f511key\U0001f512",
    "abcd",
    "100%25",
    "back\\nslash\\u0041",
)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS)
def test_every_encoding(secret: str, encoding: str) -> None:
    """A secret is masked in each encoding: alone, within other text, twice in one text, and in JSON."""
    if secret == "abcd" and encoding in ("base64 after one byte", "base64 after two", "base64 in lines"):
        pytest.skip("its base64 within other base64 is too short to be told from chance")
    redact = Redactor([Secret(secret)])
    encoded = ENCODINGS[encoding](secret)

    for text in (encoded, f"it was {encoded} that came", f"{encoded} and {encoded}", f'{{"got":"{encoded}"}}'):
        shown = redact(text)
        assert encoded not in shown
        assert MASK in shown
        if len(secret) > 8:
            assert shown_in(shown, [secret]) == []


def test_what_surrounds_a_secret_stays() -> None:
    """Only the secret is masked: what is said around it, and escapes of something else, stay as they are."""
    redact = Redactor([Secret("canary-pass")])

    assert redact("a%20b canary-pass \\u0041 &amp; \n c") == f"a%20b {MASK} \\u0041 &amp; \n c"
    assert redact("a%20b \\u0041 &amp; \n c") == "a%20b \\u0041 &amp; \n c"
    assert redact("") == ""


def test_the_longest_secret_that_fits_is_masked() -> None:
    """Of two secrets, one within the other, nothing of the longer is left."""
    redact = Redactor([Secret("canary"), Secret("canary-pass-phrase"), Secret("pass-phrase-two")])

    assert redact("x canary-pass-phrase-two y") == f"x {MASK} y"


@pytest.mark.parametrize(
    "secret", ["a", "ok", "abc", "----", "https://", "lavalink", "default", "main-node", "lava.example.com"]
)
def test_weak_secrets(secret: str) -> None:
    """A secret that is short, one of this program's own words, or public, is masked only where it is called one."""
    redact = Redactor([Secret(secret, "Authorization")], ["main-node", "http://lava.example.com:2333"])

    for text in (f"a song {secret} is ok on main-node", f"{secret}", f"Lavalink of {secret}, by default"):
        assert redact(text) == text
    for text in (
        f"Authorization: {secret}",
        f'{{"authorization":"{secret}"}}',
        f'{{"Authorization": ["{secret}"]}}',
        f"password={secret}&x=y",
        f"password%3D{secret}",
        f"http://user:{secret}@host",
        f"AUTH default {secret}",
        f"Bearer {secret}",
    ):
        shown = redact(text)
        assert shown.count(MASK) == 1, text
        assert len(shown) <= len(text) - len(secret) + len(MASK)


def test_the_default_password_of_lavalink() -> None:
    """Masked where a server sends it, in any case; words that only sound like it stay."""
    redact = Redactor([Secret("youshallnotpass")])

    assert redact("You Shall Not Pass (live)") == "You Shall Not Pass (live)"
    assert redact("YOUSHALLNOTPASS youshallnotpass") == f"{MASK} {MASK}"


def test_parts_of_headers_and_addresses() -> None:
    """The token behind a scheme, a cookie's value, both halves of Basic, user and password of an address."""
    found = {secret.value for secret in secrets_in_header("Authorization", "Bearer eyJhbGciOi.payload")}
    assert "eyJhbGciOi.payload" in found
    assert "s3ssion-value" in {secret.value for secret in secrets_in_header("Cookie", "theme=dark; id=s3ssion-value")}
    assert {"user", "pass:word"} <= {
        secret.value for secret in secrets_in_header("Proxy-Authorization", "Basic dXNlcjpwYXNzOndvcmQ=")
    }
    assert {"me", "p@ss", "me:p@ss"} <= {secret.value for secret in secrets_in_url("http://me:p%40ss@host:1/x")}
    assert list(secrets_in_url("http://[")) == []


def test_many_secrets_in_a_large_text_are_fast() -> None:
    """A megabyte without a secret is searched in a fraction of a second, for fifty secrets too."""
    chance = random.Random(1)
    words = ["".join(chance.choices(string.ascii_letters + "  ", k=40)) for _ in range(25_000)]
    redact = Redactor(Secret("".join(chance.choices(string.ascii_letters, k=24))) for _ in range(50))
    text = "|".join(words)
    redact("warm")

    began = time.process_time()
    assert redact(text) is text
    assert time.process_time() - began < 1.0


def test_hostile_texts_cost_little() -> None:
    """No text makes the search take long: neither escapes without end nor nearly a secret again and again."""
    redact = Redactor([Secret("canary-pass-phrase"), Secret("ab"), Secret("a b c d")])

    began = time.process_time()
    for text in ("\\" * 50_000, "%25" * 20_000, "&amp;" * 20_000, "canary-pass-phras" * 5_000, "\n \n" * 20_000,
                 "password" * 10_000, "authorization: " * 5_000, "a " * 30_000, "\\u" * 20_000, "//x:" * 10_000,
                 "A" * 100_000):  # fmt: skip
        redact(text)
    assert time.process_time() - began < 6.0


@pytest.mark.parametrize("manner", ["errors", "texts", "pages", "redirects", "garbage", "closes"])
def test_errors_of_the_library(manner: str) -> None:
    """A bot's error tracker gets no secret either: message, hint, and the errors of other nodes."""
    passwords = ["Quokka-pass+1 two/3?", "other quokka \\n&word"]

    async def work(port: int) -> str:
        nodes = [
            Node(identifier=f"n{index}", uri=f"http://127.0.0.1:{port}", password=password, timeout=1.0, retries=0,
                 headers={"X-Token": "header-quokka-77"})
            for index, password in enumerate(passwords)
        ]  # fmt: skip
        seen = ""
        try:
            try:
                await Pool.connect(nodes=nodes)
                await Pool.fetch_tracks("fails")
            except RevvlinkException as error:
                for each in (error, *error.failures.values()):
                    seen += f"{each!r} {each} {each.hint} {vars(each)}\n"
        finally:
            await Pool.close()
        return seen

    with EchoingNode(manner) as node:
        for _ in range(6):
            seen = asyncio.run(work(node.port))
            assert seen
            assert shown_in(seen, [*passwords, "header-quokka-77"]) == []

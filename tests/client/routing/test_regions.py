"""Reading a region off a voice server's address: every form seen, every trap known, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.routing.region_table import AIRPORTS, LABEL_OF, NAMES
from revvlink_cli.client.routing.regions import GLOBAL, LABELS, nearest_regions, region_from_endpoint, unknown_place

CODES = sorted(code for countries in AIRPORTS.values() for codes in countries.values() for code in codes.split())

SEEN = [
    # Since 2025: the site's airport code, a number, the server's hex id; ports differ.
    ("c-lax07-2e24eaf9.discord.media:2053", "us"),
    ("c-iad05-ea4174e2.discord.media:2083", "us"),
    ("c-ord10-96bd4bd4.discord.media", "us"),
    ("c-ewr13-b24de978.discord.media:2087", "us"),
    ("c-gru11-0d2a68e7.discord.media:8443", "southamerica"),
    ("c-scl03-f87e6b05.discord.media:2087", "southamerica"),
    ("c-ams08-0bf5271c.discord.media:443", "eu"),
    ("c-waw04-7cacab58.discord.media:2096", "eu"),
    ("c-nrt16-add01.discord.media:2096", "asia"),
    ("c-bom02-5d1ac.discord.media:443", "asia"),
    ("c-syd05-e6e612f0.discord.media:2053", "oceania"),
    ("c-jnb01-1f2e3d4c.discord.media:2053", "africa"),
    ("c-dxb02-9a8b7c6d.discord.media:2053", "middleeast"),
    ("wss://c-syd05-e6e612f0.discord.media:2053/?v=8", "oceania"),
    # The same, shortened or blackened in logs and examples.
    ("c-lhr16.discord.media:2096", "eu"),
    ("c-dfw.discord.media:443", "us"),
    ("c-sea01-9b.discord.media:8443", "us"),
    ("c-nrt08-xxx.discord.media:2096", "asia"),
    ("c-ewr08-....discord.media:2053", "us"),
    ("c-us-east18-50a8bfa.discord.media", "us"),
    ("dfw.discord.media", "us"),
    # From late 2020 on.
    ("brazil11120.discord.media:443", "southamerica"),
    ("southafrica2917.discord.media:443", "africa"),
    ("dubai4544.discord.gg", "middleeast"),
    ("tel-aviv10002.discord.media:443", "middleeast"),
    ("dammam10001.discord.media:443", "middleeast"),
    ("japan4479.discord.media:443", "asia"),
    ("hongkong11000.discord.gg", "asia"),
    ("south-korea1234.discord.media:443", "asia"),
    ("india10001.discord.gg", "asia"),
    ("singapore6089.discord.media:443", "asia"),
    ("jakarta10003.discord.media:443", "asia"),
    ("sydney1100.discord.media:443", "oceania"),
    ("russia7782.discord.media:443", "eu"),
    ("rotterdam11013.discord.media:443", "eu"),
    ("finland10154.discord.media", "eu"),
    ("buenos-aires77.discord.media:443", "southamerica"),
    ("santiago301.discord.media:443", "southamerica"),
    ("santa-clara12.discord.media:443", "us"),
    ("st-pete7.discord.media:443", "us"),
    ("montreal10.discord.media:443", "us"),
    # Before.
    ("frankfurt369.discord.gg", "eu"),
    ("eu-west110.discord.gg:80", "eu"),
    ("us-central372.discord.media:80", "us"),
    ("us-south1.discord.gg:80", "us"),
    ("vip-us-east5.discord.gg", "us"),
    ("vip-amsterdam2.discord.gg:80", "eu"),
    # How people write them.
    ("us-east1.discord.gg:443", "us"),
    ("US-WEST43.DISCORD.GG:80", "us"),
    ("C-GRU21-0A1B2C3D.Discord.Media", "southamerica"),
    ("  brazil.discord.media\n", "southamerica"),
    ("us-east-1.discord.media:443", "us"),
    ("us-east1", "us"),
    ("gru", "southamerica"),
    ("us-east1.discord.gg.", "us"),
    ("https://user:secret@sydney12.discord.gg/path?x=c-iad01-abcde#ord", "oceania"),
    ("//brazil1.discord.media", "southamerica"),
    ("[us-east1.discord.gg]:443", "us"),
    ("us-west7.voice.example.org:443", "us"),
]

NOWHERE = [
    "discord.media",
    "discord.gg:443",
    "latency.discord.media:443",
    "best.discord.media",
    "gateway.discord.gg",
    "gateway-us-east1-b.discord.gg",
    "smart.loyal.discord.media",
    "sweetwater-12345.discord.media",
    "stage-scale12.discord.media",
    "media.discord.media",
    "c-xxx01-addd0123.discord.media:443",
    "c-zzz09-dad12345.discord.media:443",
    "c-bcg01-2e24eaf9.discord.media",
    "c-tel01-2e24eaf9.discord.media",
    "c-01-2e24eaf9.discord.media",
    "c-.discord.media",
    "c.discord.media",
    "us-east1-b.discord.media",
    "frankfurt369x.discord.gg",
    "disco-ord1.discord.media",
    "xus-east1.discord.gg",
    "vip-.discord.gg",
    "vip-unheard1.discord.gg",
    "example.us-east1.discord.gg",
    "localhost:24391",
    "192.0.2.17:443",
    "[2001:db8::1]:443",
    "2001:db8::1",
    "add0::1",
    "[dad1:2:3:4:5:6:7:8]:443",
    "acc1::",
    ".discord.media",
    "https://",
    ":443",
    "@",
    "h\N{KELVIN SIGN}g",
    "gru\N{ARABIC-INDIC DIGIT ONE}.discord.media",
]


@pytest.mark.parametrize(("endpoint", "label"), SEEN)
def test_forms_seen_in_the_wild(endpoint: str, label: str) -> None:
    """Every form Discord has used, and the ways in which logs and people change it, gives the right label."""
    assert region_from_endpoint(endpoint) == label


@pytest.mark.parametrize("endpoint", NOWHERE)
def test_no_geography_is_global(endpoint: str) -> None:
    """Hosts without geography stay global, however many codes occur somewhere in their address."""
    assert region_from_endpoint(endpoint) == GLOBAL


@pytest.mark.parametrize("endpoint", [None, "", " ", "\t\r\n", "\N{NO-BREAK SPACE}"])
def test_nothing_is_none(endpoint: str | None) -> None:
    """No endpoint is not an unknown endpoint: the answer is None, with and without a map of one's own."""
    assert region_from_endpoint(endpoint) is None
    assert region_from_endpoint(endpoint, {"us": ["us"]}) is None


@pytest.mark.parametrize(
    ("old", "new", "label"),
    [
        ("brazil11120.discord.media:443", "c-gru21-2e24eaf9.discord.media:2053", "southamerica"),
        ("southafrica167.discord.media:80", "c-jnb03-2e24eaf9.discord.media:2053", "africa"),
        ("dubai949.discord.gg", "c-dxb01-2e24eaf9.discord.media:2053", "middleeast"),
        ("japan161.discord.gg", "c-nrt08-2e24eaf9.discord.media:2053", "asia"),
        ("sydney3028.discord.media:443", "c-syd05-2e24eaf9.discord.media:2053", "oceania"),
    ],
)
def test_old_and_new_names_of_a_place_agree(old: str, new: str, label: str) -> None:
    """São Paulo, Johannesburg, Dubai, Tokyo and Sydney have one label each, in the old form and in the new."""
    assert region_from_endpoint(old) == region_from_endpoint(new) == label


@pytest.mark.parametrize(
    ("codes", "label"),
    [
        ("yul ymq yyz mex gua pty sdq pos hnl", "us"),
        ("gru scl eze bog lim", "southamerica"),
        ("dme svo led ist tbs evn gyd cgn bcn fco dus otp buh rtm", "eu"),
        ("cai jnb cpt run mru", "africa"),
        ("tlv amm bey bgw zdm dxb ruh dmm bah", "middleeast"),
        ("can ala tas khi mle sin icn cgk maa akx hnd", "asia"),
        ("syd mel akl gum ppt nou", "oceania"),
    ],
)
def test_borders_between_labels(codes: str, label: str) -> None:
    """Countries at the edges of a label are where the product says they are."""
    assert {
        code: region_from_endpoint(f"c-{code}01-2e24eaf9.discord.media") for code in codes.split()
    } == dict.fromkeys(codes.split(), label)


def test_table_is_sound() -> None:
    """Codes are three small letters, names fit the form, nothing is filed twice, and no label is missing."""
    assert all(re.fullmatch("[a-z]{3}", code) for code in CODES)
    names = [name for names in NAMES.values() for name in names.split()]
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) and not name.startswith(("c-", "vip-")) for name in names)
    assert [entry for entry, times in Counter(CODES + names).items() if times > 1] == []
    assert tuple(AIRPORTS) == tuple(NAMES) == LABELS


def test_wrong_codes_in_circulation_are_not_in_the_table() -> None:
    """BCG is not Barcelona and TEL is not Tel Aviv; neither is the code of a site at all."""
    assert not {"bcg", "tel"} & set(LABEL_OF)


@given(
    code=st.sampled_from(CODES) | st.from_regex("[a-z]{3}", fullmatch=True),
    number=st.integers(1, 99),
    server=st.integers(0x10000, 0xFFFFFFFF),
    port=st.sampled_from([443, 2053, 2083, 2087, 2096, 8443]),
)
def test_only_the_code_decides(code: str, number: int, server: int, port: int) -> None:
    """Number, server id and port never change the answer: it is the code's label, or global for a code not known."""
    endpoint = f"c-{code}{number:02}-{server:x}.discord.media:{port}"
    assert region_from_endpoint(endpoint) == LABEL_OF.get(code, GLOBAL)


@given(
    name=st.sampled_from(sorted(LABEL_OF)),
    prefix=st.sampled_from(["", "vip-", "c-"]),
    number=st.sampled_from(["", "7", "-1", "11120"]),
    scheme=st.sampled_from(["", "//", "ws://", "wss://", "HTTPS://", "wss://user:word@"]),
    domain=st.sampled_from(["", ".", ".discord.gg", ".discord.media.", ".example.org"]),
    rest=st.sampled_from(["", ":443", ":", "/", "/?v=8", ":2053/c-iad01", "?x=1", "#a@b:c"]),
    blank=st.text(" \t\r\n"),
    upper=st.booleans(),
)
def test_wrapping_does_not_matter(
    *, name: str, prefix: str, number: str, scheme: str, domain: str, rest: str, blank: str, upper: bool
) -> None:
    """Scheme, user information, domain, port, path, case and white space around an address change nothing."""
    endpoint = f"{blank}{scheme}{prefix}{name}{number}{domain}{rest}{blank}"
    assert region_from_endpoint(endpoint.upper() if upper else endpoint) == LABEL_OF[name]


@given(st.from_regex(r"(vip-|c-)?[a-z]{1,10}(-[a-z]{1,8})?(-?[0-9]{1,5})?", fullmatch=True))
def test_other_names_are_global(label: str) -> None:
    """A label of the right form whose name is not in the table is global, even if a known name is part of it."""
    name = re.sub(r"-?[0-9]+$", "", label.removeprefix("vip-").removeprefix("c-"))
    if name not in LABEL_OF and not label.startswith("c-"):
        assert region_from_endpoint(f"{label}.discord.media:443") == GLOBAL


@given(st.text() | st.text("acdilorsu-.:/@[]?#01 \0\n\ud800", max_size=40))
@example("\0")
@example("\udcff.discord.media")
@example("c-lax07-" + "a" * 100_000)
@example("a-" * 50_000 + "!")
@example("a@" * 50_000)
def test_any_text_is_read_without_error(endpoint: str) -> None:
    """No text raises, and a label is given only to a text in which a name of that label stands at a label's start."""
    label = region_from_endpoint(endpoint)
    assert label is None or label == GLOBAL or label in LABELS
    if label in LABELS:
        words = re.split(r"[.:/@\[\]?#\s]", endpoint.lower())
        heads = {word.removeprefix("vip-").removeprefix("c-") for word in words}
        assert any(
            re.match(f"{re.escape(name)}([-0-9]|$)", head)
            for name in LABEL_OF
            if LABEL_OF[name] == label
            for head in heads
        )
    assert region_from_endpoint(endpoint, {"x": ["a", "discord"]}) in {None, GLOBAL, "x"}


@pytest.mark.parametrize(
    ("endpoint", "regions", "label"),
    [
        # As documented: substrings.
        ("c-iad05-ea4174e2.discord.media:443", {"us": ["iad", "atl"], "eu": ["ams"]}, "us"),
        ("amsterdam13.discord.gg:80", {"us": ["iad"], "eu": ["ams"]}, "eu"),
        ("wss://AMSTERDAM13.discord.gg", {"eu": ["Amster"]}, "eu"),
        # Nowhere but in the first label.
        ("latency.discord.media", {"us": ["ord"], "eu": ["edi"]}, GLOBAL),
        ("a.us-east1.discord.gg", {"us": ["us-east"]}, GLOBAL),
        ("us-east1.discord.gg:2053/eu", {"port": ["2053"], "path": ["eu"]}, GLOBAL),
        # The longest wins, wherever it stands in the map.
        ("russia7782.discord.media", {"us": ["us"], "eu": ["russia"]}, "eu"),
        ("russia7782.discord.media", {"eu": ["russia"], "us": ["us"]}, "eu"),
        ("dubai1.discord.gg", {"eu": ["x", "dub"], "gulf": ["duba"]}, "gulf"),
        # Among equals, the map's order.
        ("c-atl10-abcdef01.discord.media", {"south": ["atl"], "east": ["atl"]}, "south"),
        ("c-atl10-abcdef01.discord.media", {"east": ["atl"], "south": ["atl"]}, "east"),
        ("us-east1", {"a": ["east"], "b": ["us-e"]}, "a"),
        # The built-in table is replaced, not extended.
        ("brazil1.discord.media", {"us": ["iad"]}, GLOBAL),
        ("brazil1.discord.media", {}, GLOBAL),
        ("brazil1.discord.media", {"all": [""]}, GLOBAL),
        ("[2001:db8::1]:443", {"six": ["2001"]}, GLOBAL),
        # Names the built-in forms do not know are within reach.
        ("sweetwater-12345.discord.media", {"lab": ("sweetwater",)}, "lab"),
    ],
)
def test_own_map(endpoint: str, regions: dict[str, list[str]], label: str) -> None:
    """A map of one's own means substrings of the first host label; the longest wins, then the order of the map."""
    assert region_from_endpoint(endpoint, regions) == label


def test_nearest_regions_orders_all_others() -> None:
    """Every built-in label knows all the others once and not itself; other labels have no neighbours."""
    for label in LABELS:
        assert sorted((label, *nearest_regions(label))) == sorted(LABELS)
    assert nearest_regions(GLOBAL) == nearest_regions("my-label") == ()


@pytest.mark.parametrize(
    ("label", "first"),
    [("southamerica", "us"), ("oceania", "asia"), ("africa", "eu"), ("middleeast", "eu"), ("eu", "us"), ("us", "eu")],
)
def test_nearest_region(label: str, first: str) -> None:
    """The nearest label is the one where the continent's cables lead."""
    assert nearest_regions(label)[0] == first


def test_import_is_light() -> None:
    """Resolving a region starts without loading an event loop or anything that is not the standard library."""
    code = (
        "import sys, revvlink_cli.client.routing.regions;"
        "print(*{'asyncio', 'aiohttp', 'msgspec', 'rich', 'typer'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


@given(
    st.sampled_from(["c-", ""]),
    st.text("abcdefghijklmnopqrstuvwxyz-", max_size=6) | st.sampled_from(["iad", "gru", "us-east", "brazil", "zzz"]),
    st.text("0123456789", max_size=3),
    st.sampled_from(["", "-1a2b3c4d", "-addd0123", "-"]),
    st.sampled_from([".discord.media:443", ".discord.gg", ".discord.media:", ".discord.com"]),
)
def test_the_short_way_agrees_with_the_long_one(head: str, name: str, number: str, tail: str, host: str) -> None:
    """The common form is read in one step; a path behind it takes the long way, and the answer is the same."""
    endpoint = f"{head}{name}{number}{tail}{host}"

    assert region_from_endpoint(endpoint) == region_from_endpoint(f"{endpoint}/?v=8")


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ("c-xyz01-2e24eaf9.discord.media:2053", "xyz"),
        ("wss://C-XYZ01-2e24eaf9.discord.media/?v=8", "xyz"),
        ("atlantis1234.discord.gg:80", "atlantis"),
        (f"{'q' * 300}1.discord.gg", "q" * 40),
        ("c-lax07-2e24eaf9.discord.media", None),
        ("us-east1234.discord.gg", None),
        ("latency.discord.media", None),
        ("gateway-us1.discord.gg", None),
        ("smart.loyal.discord.gg", None),
        ("sweetwater-12345.discord.media", None),
        ("stage-scale3.discord.media", None),
        ("c-xyz01-2e24eaf9.example.com", None),
        ("c-xyz01-2e24eaf9.discord.media.example.com", None),
        ("voice.notdiscord.media", None),
        ("xyz", None),
        ("10.0.0.1:443", None),
        ("", None),
    ],
)
def test_unknown_places(endpoint: str, place: str | None) -> None:
    """Only a code or name of an endpoint of Discord that the table lacks is unknown; names without a place are not."""
    assert unknown_place(endpoint) == place


def test_a_fleet_counts_unknown_places(caplog: pytest.LogCaptureFixture) -> None:
    """Each is counted, logged once, and bounded in number; known places and maps of one's own do not count."""
    fleet = Fleet()
    for endpoint in ("c-xyz01-2e24eaf9.discord.media", "c-xyz02-a.discord.media", "c-lax07-2.discord.media", None):
        fleet.region_from_endpoint(endpoint)

    assert fleet.snapshot().unknown_regions == {"xyz": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "unknown voice region xyz, served as global; please report it"
    ]
    for number in range(200):
        fleet.region_from_endpoint(f"q{'abcdefghij'[number // 20]}{chr(97 + number % 20)}1.discord.gg")
    counts = fleet.snapshot().unknown_regions
    assert (len(counts), counts["others"]) == (65, 200 - 63)

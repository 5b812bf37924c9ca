"""Finds secrets in texts from outside, in many encodings, and masks them.

A server, a proxy or a cache may echo a secret: unchanged, in another case, percent-encoded, as base64, as JSON or HTML
escapes, or broken over lines. `Redactor` knows the secrets in use and finds them in all these forms.

It is used in two places:

- **In the client**, where a server's text becomes part of an exception, a log record or a snapshot
  (`NodeErrors.excerpt`, `RedisStore`): a bot that uses the library and sends its errors to a tracker leaks nothing.
  Tracks, events and answers of `Node.send` are data, and stay as the server sent them.
- **In the program**, where rows, errors and log lines leave the process (`config.secrets_in_use`): the last step,
  which knows the secrets of the whole configuration, and which no new command can forget.

Both mask values before they are cut, wrapped or escaped for a format, and never the finished text: a key of JSON or a
heading that happens to equal a password stays.

A mask over a text that the reader knows reveals the secret. So a *weak* secret, which is one of three
characters or fewer, a word of this program's own vocabulary (``lavalink``), or a part of something public (a node's
name, its address), is masked only where the text calls it a secret: ``Authorization: lavalink``, ``password=abc``,
``user:abc@host``.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

from revvlink_cli._record import NamedTuple
from revvlink_cli.client.encodings import View, decoded, may_be_encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from revvlink_cli.client.settings import NodeSettings

MASK = "***"

SHORTEST = 4
"""Length from which on a secret is masked everywhere."""

KEPT, KEPT_LENGTH = 1024, 64
"""Texts without a secret that a redactor remembers, and the characters of the longest."""

LONGEST_ECHO = 65_536
"""Bytes of an answer that are searched before an excerpt is shown, so that no secret is cut in two."""

_WORDS = """
account address admin alert answer authorization bearer cached canary certificate check closed code config
configuration connect connected connecting connection cordoned crashed critical debug default disabled discord
docker doctor error event example exporter failed fixed guild header healthy host hung identifier info internal
json lava lavalink lavalink4 list local localhost lost main message metrics music name network node nodelink
nodes none null pass passed passphrase passwd password path plain player players playing port production proxy
ready redis refused region request resolve response revvlink role root route search secret server session sqlite
stage state stats status stopped string table test text timeout title token track tripped true unhealthy unknown
user username value version warning webhook websocket
"""

VOCABULARY = frozenset((*_WORDS.split(), "http://", "https://"))
"""Words of this program's own texts, and the commonest that servers write: see above."""


class Secret(NamedTuple):
    """A text that must not be shown.

    Attributes:
        value: The text.
        name: Its name where it is sent: the name of a header, or ``password``.
    """

    value: str
    name: str = "password"


def secrets_of(settings: NodeSettings) -> Iterator[Secret]:
    """The secrets in a node's settings: its password, the values of its headers, the proxy's credentials."""
    yield Secret(settings.password, "Authorization")
    for name, value in settings.headers:
        yield from secrets_in_header(name, value)
    if settings.proxy is not None:
        yield from secrets_in_url(settings.proxy)
    if settings.trust_env:
        from urllib.request import getproxies_environment

        for address in getproxies_environment().values():
            yield from secrets_in_url(address)


def secrets_in_header(name: str, value: str) -> Iterator[Secret]:
    """A header's value, and the parts of it that are long enough to be a secret of their own."""
    yield Secret(value, name)
    scheme, _, rest = value.partition(" ")
    for part in (rest.strip(), *re.split(r"[\s;,=]+", value)):
        if len(part) >= 2 * SHORTEST and part != value:
            yield Secret(part, name)
    if scheme.casefold() == "basic":
        try:
            pair = a2b_base64(rest).decode()
        except (Error, UnicodeDecodeError):
            return
        yield from _pair(*pair.partition(":")[::2])


def secrets_in_url(url: str) -> Iterator[Secret]:
    """User and password of an address."""
    try:
        parts = urlsplit(url)
        user, password = parts.username or "", parts.password or ""
    except ValueError:
        return
    yield from _pair(unquote(user), unquote(password))
    yield from _pair(user, password)


def _pair(user: str, password: str) -> Iterator[Secret]:
    """Both, and the two of them as ``Basic`` authentication joins them."""
    yield Secret(user, "user")
    yield Secret(password)
    if user and password:
        yield Secret(f"{user}:{password}")


class Redactor:
    """Masks secrets in texts. Its patterns are compiled once, with the first text."""

    def __init__(self, secrets: Iterable[Secret] = (), public: Iterable[str] = ()) -> None:
        """Create a redactor.

        Args:
            secrets: What to mask; empty ones are left out.
            public: Texts that are shown anyway, such as names and addresses of nodes.
        """
        self._secrets = dict.fromkeys(secret for secret in secrets if secret.value.strip())
        self._public = set(public)
        self._search: _Search | None = None
        self._clean: dict[str, str] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to mask."""
        return bool(self._secrets)

    def add(self, secrets: Iterable[Secret], public: Iterable[str] = ()) -> None:
        """Add secrets."""
        new = [secret for secret in secrets if secret.value.strip() and secret not in self._secrets]
        shown = set(public) - self._public
        if new or shown:
            self._secrets.update(dict.fromkeys(new))
            self._public |= shown
            self._search = None
            self._clean.clear()

    def add_node(self, settings: NodeSettings) -> None:
        """Add the secrets of a node."""
        self.add(secrets_of(settings), (settings.identifier, settings.uri, settings.region or "", *settings.tags))

    def may_be_in(self, text: str) -> bool:
        """Whether a text may hold a secret: fast, and False for nearly all texts."""
        return bool(self._secrets) and self._compiled().may_be_in(text)

    def __call__(self, text: str) -> str:
        """The text with every secret in it masked.

        The nodes of a fleet send many equal short texts, such as names of sources: each is searched once.
        """
        if (known := self._clean.get(text)) is not None:
            return known
        if not self.may_be_in(text):
            if len(text) <= KEPT_LENGTH:
                if len(self._clean) >= KEPT:
                    self._clean.clear()
                self._clean[text] = text
            return text
        spans = self._compiled().spans(text)
        if not spans:
            return text
        parts, done = [], 0
        for start, end in _merged(spans):
            parts += [text[done:start], MASK]
            done = end
        return "".join((*parts, text[done:]))

    def _compiled(self) -> _Search:
        if self._search is None:
            self._search = _Search(self._secrets, self._public)
        return self._search


class _Search:
    """The patterns of a set of secrets."""

    def __init__(self, secrets: Iterable[Secret], public: Iterable[str]) -> None:
        shown = {text.casefold() for text in public if text}
        folded: set[str] = set()
        exact: set[str] = set()
        weak: list[Secret] = []
        for secret in secrets:
            forms = {form for form in _spellings(secret.value) if not _is_weak(form, shown)}
            folded |= forms
            if forms:
                exact |= _base64_parts(secret.value)
                if len(secret.value) >= SHORTEST:
                    folded.add(secret.value.encode("utf-8", "surrogatepass").hex())
            if _is_weak(secret.value.casefold(), shown) or len(secret.value) < SHORTEST + 2:
                weak.append(secret)
        self._folded_texts, self._exact_texts = folded, exact
        # Python searches for one text far faster than for a pattern, and most texts have none of them.
        self._needles = tuple({max(form.split(" "), key=len) for form in folded} | {part.casefold() for part in exact})
        self._short = [secret.value for secret in weak]
        if self._short:
            self._needles += ("basic",)
        short = [_as_base64(secret.value) for secret in weak if len(secret.value) >= SHORTEST]
        self._weak = re.compile("|".join(filter(None, (_in_context(weak), *short)))) if weak else None

    @cached_property
    def _folded(self) -> re.Pattern[str] | None:
        """The secrets in small letters. Like `_exact` it is compiled on demand, because few texts have a secret."""
        return _alternatives(self._folded_texts)

    @cached_property
    def _exact(self) -> re.Pattern[str] | None:
        """The secrets within base64."""
        return _alternatives(self._exact_texts)

    def may_be_in(self, text: str) -> bool:
        """Whether a text has one of the secrets, or anything that may be an encoded one."""
        return may_be_encoded(text) or self._is_in(text)

    def _is_in(self, text: str) -> bool:
        folded = text.casefold()
        for needle in self._needles:
            if needle in folded:
                return True
        return self._weak is not None and self._weak.search(text) is not None

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the secrets are: in the text as it stands, and in what it says once all encodings are undone."""
        plain = View.of(text)
        found = list(self._in(plain, text))
        if (view := decoded(plain)) is not plain:
            found += self._in(view, text)
        return found

    def _in(self, view: View, text: str) -> Iterator[tuple[int, int]]:
        if not self._is_in(view.text):
            return
        folded = view.folded()
        for pattern, seen in ((self._folded, folded), (self._exact, view)):
            for match in pattern.finditer(seen.text) if pattern is not None else ():
                start, end = seen.starts[match.start()], seen.ends[match.end(1) - 1]
                yield _whole_token(text, start, end) if pattern is self._exact else (start, end)
        for match in re.finditer(_BASIC, view.text) if self._short else ():
            if any(secret in _from_base64(match[1]) for secret in self._short):
                yield view.starts[match.start(1)], view.ends[match.end(1) - 1]
        for match in self._weak.finditer(view.text) if self._weak is not None else ():
            start, end = match.span(match.lastgroup or 0)
            yield view.starts[start], view.ends[end - 1]


def _is_weak(form: str, shown: Iterable[str]) -> bool:
    is_line = len(set(form)) < 3 and not any(map(str.isalnum, form))  # as of dashes
    return is_line or len(form) < SHORTEST or form in VOCABULARY or any(form in text for text in shown)


def _spellings(value: str) -> set[str]:
    """How a secret reads in a text whose encodings are undone, in small letters."""
    forms = {value, value.replace(" ", "+")}
    if not value.isascii():
        import unicodedata

        data = value.encode("utf-8", "surrogatepass")
        forms |= {data.decode("latin-1"), value.encode("ascii", "replace").decode()}
        forms |= {data.decode("cp1252", "replace"), data.decode("ascii", "replace")}
        forms |= {unicodedata.normalize(form, value) for form in ("NFC", "NFD")}
    forms |= {decoded(View.of(form)).text for form in forms}
    forms |= {form.rstrip("\\") for form in forms}  # a backslash at the end is taken for part of what follows
    return {" ".join(form.casefold().split()) for form in forms}


def _base64_parts(value: str) -> set[str]:
    """The text that the base64 of any data with the secret in it contains, in both alphabets and for each offset.

    Where a text begins in the group of three bytes, its first and last characters depend on its neighbours.
    """
    data = value.encode("utf-8", "surrogatepass")
    found = set()
    for before in range(3):
        encoded = b2a_base64(b"\0" * before + data, newline=False).decode()
        part = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        if len(part) > SHORTEST + 1:
            found |= {part, part.replace("+", "-").replace("/", "_")}
    return found


_Tree: TypeAlias = "dict[str, _Tree]"
"""Texts by their characters, one after the other; the character "" ends a text."""


def _alternatives(texts: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for any of these texts, made as a tree, so that many texts take little more time than one."""
    tree: _Tree = {}
    for text in texts:
        branch = tree
        for char in text:
            branch = branch.setdefault(char, {})
        branch[""] = {}
    return re.compile(f"(?=({_branches(tree)}))") if tree else None  # one secret may begin within another


def _branches(tree: _Tree) -> str:
    stem = ""
    while len(tree) == 1 and "" not in tree:  # no recursion along a text without branches
        ((char, tree),) = tree.items()
        stem += _of_char(char)
    if set(tree) == {""}:
        return stem
    longer = "|".join(_of_char(char) + _branches(rest) for char, rest in tree.items() if char)
    return f"{stem}(?:{longer}){'?' if '' in tree else ''}"


def _of_char(char: str) -> str:
    return "[ +]*" if char == " " else re.escape(char)  # white space is collapsed, dropped, or a plus in a query


def _in_context(weak: Iterable[Secret]) -> str:
    """A pattern for secrets that are masked only where a text calls them one; "" where there are none."""
    values = {f"{re.escape(secret.value.strip())}(?![^\\W_])" for secret in weak}
    if not values:
        return ""
    names = "|".join(
        ("pass(?:word|wd|phrase)?", "pwd", "token", "secret", "credentials?", *map(re.escape, _names(weak)))
    )
    quoted = r"[\"'\s\[(\\]"
    before = rf"(?:{names}){quoted}{{0,4}}(?:[:=,>]{quoted}{{0,4}}|(?<=[\"'])\s)(?:(?:basic|bearer)\s+)?"
    command = r"(?:auth(?:orization)?|requirepass|pass(?:word|wd)?|basic|bearer)\s+(?:default\s+)?"
    return rf"(?i:(?:{before}|{command}|//[^\s/@:]*:)(?P<secret>{'|'.join(values)}))"


def _names(secrets: Iterable[Secret]) -> set[str]:
    return {"authorization", *(secret.name for secret in secrets)}


def _as_base64(value: str) -> str:
    """A pattern for the base64 of a secret alone, which may be too short to be found inside longer base64."""
    encoded = b2a_base64(value.encode("utf-8", "surrogatepass"), newline=False).decode().rstrip("=")
    return rf"(?<![A-Za-z0-9+/_-]){re.escape(encoded)}(?![A-Za-z0-9+/_-])"


_BASE64 = r"[A-Za-z0-9+/_-]*"

_BASIC = r"(?i)basic[\s:\"']+([A-Za-z0-9+/_-]+={0,2})"
"""User and password as HTTP writes them: the only place where a short secret is searched within base64."""


def _from_base64(text: str) -> str:
    try:
        return a2b_base64(f"{text.rstrip('=')}==".translate(_STANDARD)).decode("utf-8", "replace")
    except Error:
        return ""


_STANDARD = str.maketrans("-_", "+/")


def _whole_token(text: str, start: int, end: int) -> tuple[int, int]:
    """The base64 around a part of it: the rest could not be decoded, or would reveal a letter."""
    base64 = re.compile(_BASE64)
    while start and base64.fullmatch(text[start - 1]):
        start -= 1
    found = base64.match(text, end)
    end = found.end() if found is not None else end
    while end < len(text) and text[end] == "=":
        end += 1
    return start, end


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same spans in order, those that touch as one."""
    current: tuple[int, int] | None = None
    for start, end in sorted(spans):
        if current is None or start > current[1]:
            if current is not None:
                yield current
            current = (start, end)
        else:
            current = (current[0], max(current[1], end))
    if current is not None:
        yield current

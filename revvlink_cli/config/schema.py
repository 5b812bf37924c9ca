"""The table of configuration keys.

Validation (`revvlink_cli.config.values`), the JSON Schema (`revvlink_cli.config.json_schema`), the documentation and
``config show`` all derive from `SECTIONS`. A new key is a new entry.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from revvlink_cli._record import NamedTuple
from revvlink_cli.client.cache.backends import BACKENDS, DEFAULT_BACKEND

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """The type of a value."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DURATION = "duration"
    TEXTS = "list of texts"
    PLUGINS = "list of plugins"
    HEADERS = "table of texts"
    URI = "address"
    ENDPOINT = "host and port"
    VERSION = "version"
    CODES = "list of checks"
    QUORUM = "number or share"
    HOLD = "number of runs or duration"
    RANGES = "table of ranges"
    REQUIREMENTS = "table"
    TAGS = "table of tables"


class Key(NamedTuple):
    """One key.

    Attributes:
        name: Its name in the file.
        kind: Type of its value.
        help: What it means, in one sentence.
        default: Its value when it is left out.
        minimum: Smallest value; None for no bound.
        maximum: Largest value; None for no bound.
        above: Bound that the value must exceed; None for no bound.
        choices: The allowed values; empty for any.
        secret: Whether its value is never shown.
        required: Whether it must be given.
        reaches_out: Whether it reads the environment, other files or a server, which only a trusted file may do.
        names_file: Whether its value is the path of a file.
        example: A value for the documentation, in TOML.
    """

    name: str
    kind: Kind
    help: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    required: bool = False
    reaches_out: bool = False
    names_file: bool = False
    example: str = ""


COMMON = (
    Key(name="user_id", kind=Kind.INTEGER, minimum=10**16, maximum=2**64 - 1, example="170939974227541168",
        help="The bot's id, 17 to 20 digits, sent as User-Id; NodeLink takes 18 or 19 digits only"),
    Key(name="timeout", kind=Kind.NUMBER, default=5.0, above=0, maximum=3600, example="5.0",
        help="Seconds that one request may take"),
    Key(name="heartbeat", kind=Kind.NUMBER, default=15.0, above=0, maximum=3600, example="15.0",
        help="Seconds of silence before the websocket is pinged"),
    Key(name="retries", kind=Kind.INTEGER, minimum=0, maximum=1_000_000, example="2",
        help="Attempts to reconnect; left out, there is no bound"),
    Key(name="ca_file", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"ca.pem"',
        help="PEM file of a private certificate authority; a relative path starts in this file's folder"),
    Key(name="headers", kind=Kind.HEADERS, secret=True, example='{ "CF-Access-Client-Id" = "id" }',
        help="Extra request headers, for a proxy in front of the node"),
    Key(name="proxy", kind=Kind.TEXT, secret=True, example='"http://127.0.0.1:3128"',
        help="Address of an HTTP proxy"),
    Key(name="trust_env", reaches_out=True, kind=Kind.BOOLEAN, default=False, example="false",
        help="Whether HTTP_PROXY and similar variables apply"),
)  # fmt: skip
"""Keys of ``[defaults]`` that a node may set for itself."""

PASSWORDS = ("password", "password_env", "password_file")
"""The keys for a node's password; it has exactly one of them."""

WEBHOOKS = ("webhook", "webhook_env", "webhook_file")
"""The keys for the address of a webhook; ``[discord]`` has at most one of them, and so has ``[alert]``."""

HEARTBEATS = ("heartbeat", "heartbeat_env", "heartbeat_file")
"""The keys for the address of the heartbeat; ``[alert]`` has at most one of them."""

REQUIREMENTS = (
    Key(name="warning", kind=Kind.RANGES, example='{ cpu = "85%", memory = "95%" }',
        help="Check -> range of its figure that is fine; outside it is a WARNING. See `revvlink check --list`"),
    Key(name="critical", kind=Kind.RANGES, example='{ cpu = "98%" }',
        help="Check -> range of its figure that is not critical; outside it, the check is CRITICAL"),
    Key(name="defaults", kind=Kind.BOOLEAN, default=True, example="true",
        help="Whether the default thresholds apply where warning and critical set none; false shows figures only"),
    Key(name="min_version", kind=Kind.VERSION, example='"4.2.0"', help="Oldest version that a Lavalink may have"),
    Key(name="sources", kind=Kind.TEXTS, default=(), example='["youtube"]', help="Source managers that must be on"),
    Key(name="plugins", kind=Kind.PLUGINS, default=(), example='["youtube-plugin>=1.13"]',
        help="Plugins that must be loaded, each with or without version specifiers"),
    Key(name="filters", kind=Kind.TEXTS, default=(), example='["timescale"]', help="Filters that must be on"),
    Key(name="youtube_oauth", kind=Kind.BOOLEAN, default=False, example="true",
        help="Whether the YouTube plugin must have an OAuth token, on nodes that have the plugin"),
    Key(name="canaries", kind=Kind.TEXTS, default=(), example='["ytsearch:night"]',
        help="Queries that must load tracks, each sent unchanged"),
    Key(name="canary_play", kind=Kind.TEXTS, default=(), example='["ytsearch:night"]',
        help="Queries whose first track must play, each sent unchanged; [play] says how its sound is measured"),
    Key(name="skip", kind=Kind.CODES, default=(), example='["penalty"]', help="Checks, or stages of checks, to skip"),
    Key(name="unknown_on_timeout", kind=Kind.BOOLEAN, default=False, example="true",
        help="Whether a node that does not answer in time is UNKNOWN instead of CRITICAL"),
)  # fmt: skip
"""Keys of ``[check]`` that tags and nodes may set for themselves."""

NODE = (
    Key(name="identifier", kind=Kind.TEXT, required=True, example='"us-1"', help="Name of the node, unique"),
    Key(name="uri", kind=Kind.URI, required=True, example='"http://127.0.0.1:2333"', help="Address of the node"),
    Key(name="password_env", reaches_out=True, kind=Kind.TEXT, example='"LAVALINK_PASSWORD"',
        help="Environment variable that holds the password"),
    Key(name="password_file", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"/run/secrets/us-1"',
        help="File whose first line is the password; a relative path starts in this file's folder"),
    Key(name="password", kind=Kind.TEXT, secret=True, example='"youshallnotpass"',
        help="The password itself; protect the file (chmod 600)"),
    Key(name="region", kind=Kind.TEXT, example='"us"', help="Label of the region it serves"),
    Key(name="tags", kind=Kind.TEXTS, default=(), example='["prod"]', help="Free labels to select nodes by"),
    Key(name="check", kind=Kind.REQUIREMENTS, example='{ warning = { cpu = "95%" } }',
        help="What checks require of this node; keys as in [check], which they override"),
    *COMMON,
)  # fmt: skip

SECTIONS: Mapping[str, tuple[Key, ...]] = {
    "defaults": COMMON,
    "search": (
        Key(name="source", kind=Kind.TEXT, default="ytsearch", example='"ytsearch"', help="Prefix for plain words"),
    ),
    "cache": (
        Key(name="capacity", kind=Kind.INTEGER, default=512, minimum=0, maximum=10**9, example="512",
            help="Entries to keep; 0 turns the cache off"),
        Key(name="ttl", kind=Kind.DURATION, default="1h", example='"1h"',
            help="How long an entry is valid: 90s, 15m, 1h, 1d3h, or a number of seconds"),
        Key(name="backend", kind=Kind.TEXT, default=DEFAULT_BACKEND, choices=tuple(BACKENDS),
            example=f'"{DEFAULT_BACKEND}"', help="Where entries are kept"),
        Key(name="path", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"cache.sqlite3"',
            help="Database of the sqlite backend, in the user's cache folder if left out; a relative path starts in "
            "this file's folder"),
        Key(name="url", reaches_out=True, secret=True, kind=Kind.TEXT, example='"redis://127.0.0.1:6379/0"',
            help="Address of the Redis server of the redis backend"),
    ),
    "check": (
        *REQUIREMENTS,
        Key(name="min_healthy", kind=Kind.QUORUM, example='"50%"',
            help="Nodes that must be healthy, a number or a share; while they are, a failure on another node is a "
            "WARNING"),
        Key(name="tags", kind=Kind.TAGS, example='{ canary = { skip = ["uptime"] } }',
            help="Tag -> what checks require of nodes with it, written [check.tags.NAME]; keys as in [check]"),
    ),
    "play": (
        Key(name="listen", reaches_out=True, kind=Kind.ENDPOINT, example='"0.0.0.0:8443"',
            help="Where revvlink is the voice server that measures the sound of canary_play, TCP and UDP; without it "
            "only the start of a track is seen"),
        Key(name="advertise", kind=Kind.ENDPOINT, example='"voice.example.com:8443"',
            help="The address of listen as nodes reach it; listen itself if left out"),
        Key(name="cert", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"voice.pem"',
            help="PEM file of its certificate, which nodes must trust; a relative path starts in this file's folder"),
        Key(name="key", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"voice.key"',
            help="PEM file of the key, if not in cert; a relative path starts in this file's folder"),
        Key(name="duration", kind=Kind.DURATION, default="5s", example='"5s"',
            help="How long a canary plays"),
        Key(name="interval", kind=Kind.DURATION, default="5m", example='"5m"',
            help="Pause between two plays of the exporter on one node"),
    ),
    "page": (
        Key(name="enabled", kind=Kind.BOOLEAN, default=False, example="true",
            help="Whether the exporter serves the status page, as with `exporter --page`"),
        Key(name="public", kind=Kind.BOOLEAN, default=False, example="true",
            help="Whether the page needs no password where --web.config.file asks one for the rest"),
        Key(name="title", kind=Kind.TEXT, example='"Music nodes"',
            help="Heading of the page; `Status`, with the name of the context, if left out"),
        Key(name="history", reaches_out=True, names_file=True, kind=Kind.TEXT,
            example='"/var/lib/revvlink/history.sqlite3"',
            help="Database of its history, in the user's state folder if left out; a relative path starts in this "
            "file's folder"),
    ),
    "discord": (
        Key(name="webhook_env", reaches_out=True, kind=Kind.TEXT, example='"DISCORD_WEBHOOK"',
            help="Environment variable that holds the address of the webhook for `check --notify discord`"),
        Key(name="webhook_file", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"/run/secrets/webhook"',
            help="File whose first line is that address; a relative path starts in this file's folder"),
        Key(name="webhook", kind=Kind.TEXT, secret=True,
            help="The address itself, which is a secret: protect the file (chmod 600)"),
        Key(name="remind", kind=Kind.DURATION, example='"1h"',
            help="Time after which a problem that lasts is reported again; that of [alert] if left out"),
        Key(name="mention", kind=Kind.TEXT, example='"170939974227541168"',
            help="Id of a role that a message mentions when something got worse; nothing else is ever mentioned"),
        Key(name="thread", kind=Kind.TEXT, example='"170939974227541168"',
            help="Id of a thread of the webhook's channel, which then gets the messages"),
    ),
    "alert": (
        Key(name="after", kind=Kind.HOLD, default=2, example="2",
            help='Runs of `check` in a row, or samples of the exporter, or a time such as "5m", for which a problem '
            "must last before it is reported, or shown in the exporter's verdicts"),
        Key(name="recover_after", kind=Kind.HOLD, default=2, example="2",
            help="The same for the end of a problem"),
        Key(name="unstable_changes", kind=Kind.INTEGER, default=6, minimum=0, maximum=1000, example="6",
            help="Changes within unstable_window above which a check of a node is unstable, which is reported once; 0 "
            "for never"),
        Key(name="unstable_window", kind=Kind.DURATION, default="1h", example='"1h"',
            help="Time in which changes are counted; without a change for a quarter of it, the check is steady again"),
        Key(name="remind", kind=Kind.DURATION, example='"6h"',
            help="Time after which a problem that lasts is reported again; never if left out"),
        Key(name="webhook_env", reaches_out=True, kind=Kind.TEXT, example='"ALERT_WEBHOOK"',
            help="Environment variable that holds the address of a server that takes alerts as JSON, for `check "
            "--notify webhook`"),
        Key(name="webhook_file", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"/run/secrets/alerts"',
            help="File whose first line is that address; a relative path starts in this file's folder"),
        Key(name="webhook", kind=Kind.TEXT, secret=True,
            help="The address itself, which may be a secret: protect the file (chmod 600)"),
        Key(name="apprise", kind=Kind.TEXTS, default=(), secret=True, reaches_out=True,
            example='["env:SLACK", "file:/run/secrets/mail"]',
            help="Addresses of services in apprise's form, for `check --notify apprise`: env:NAME, file:PATH, or the "
            "address itself, which is a secret; needs revvlink-cli[notify]"),
        Key(name="heartbeat_env", reaches_out=True, kind=Kind.TEXT, example='"HEARTBEAT"',
            help="Environment variable that holds the address that each `check` of the whole fleet calls when it ends"),
        Key(name="heartbeat_file", reaches_out=True, names_file=True, kind=Kind.TEXT,
            example='"/run/secrets/heartbeat"',
            help="File whose first line is that address; a relative path starts in this file's folder"),
        Key(name="heartbeat", kind=Kind.TEXT, secret=True,
            help="The address itself, of healthchecks.io, uptime-kuma or their like: protect the file (chmod 600)"),
    ),
    "silences": (
        Key(name="file", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"/var/lib/revvlink/silences.json"',
            help="File of the silences, beside this file if left out; a relative path starts in this file's folder"),
    ),
    "nodes": NODE,
}  # fmt: skip
"""Section -> its keys. ``nodes`` is an array of tables; ``regions``, a table of lists, has keys of the user's own."""

REGIONS_HELP = "Label -> parts of the endpoint's first host label; replaces the built-in map"

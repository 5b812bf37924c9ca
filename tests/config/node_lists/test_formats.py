"""The node lists of other programs, in the form in which their own documentation and the bots that use them have them.

Hosts, names and passwords are made up.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from revvlink_cli.config.node_lists.catalogue import FORMATS, format_named, read_list
from revvlink_cli.config.node_lists.entries import Rules


class Sample(NamedTuple):
    """A list, and what it has: name, address, password (``$NAME`` for a variable), region and tags of each node."""

    kind: str
    text: str
    nodes: tuple[tuple[str | None, str, str, str | None, tuple[str, ...]], ...]
    problems: tuple[str, ...] = ()


SAMPLES = {
    "application.yml of Lavalink 4": Sample(
        "lavalink",
        """
        server: # REST and WS server
          port: 2333
          address: 0.0.0.0
          http2:
            enabled: false # Whether to enable HTTP/2 support
        plugins:
        #  name: # Name of the plugin
        lavalink:
          plugins:
        #    - dependency: "com.example:plugin:1.0.0"
          server:
            password: "shall-not-pass"
            sources:
              youtube: false
              http: true
            ratelimit:
              ipBlocks: []
        metrics:
          prometheus:
            enabled: false
        sentry:
          dsn: ""
        """,
        (("lavalink", "http://127.0.0.1:2333", "shall-not-pass", None, ()),),
    ),
    "application.yml with variables, dotted keys and TLS": Sample(
        "lavalink",
        """
        server.port: ${PORT:2444}
        server:
          address: node.example.com
          ssl:
            key-store: keys.p12
        lavalink.server.password: ${LAVALINK_SERVER_PASSWORD:shall-not-pass}
        """,
        (("lavalink", "https://node.example.com:2444", "$LAVALINK_SERVER_PASSWORD", None, ()),),
    ),
    "variables of Lavalink's container": Sample(
        "lavalink",
        """
        _JAVA_OPTIONS=-Xmx6G
        SERVER_PORT=2555
        LAVALINK_SERVER_PASSWORD=shall-not-pass
        """,
        (("lavalink", "http://127.0.0.1:2555", "shall-not-pass", None, ()),),
    ),
    "a compose file with Lavalink's container": Sample(
        "lavalink",
        """
        services:
          lavalink:
            image: ghcr.io/lavalink-devs/lavalink:4-alpine
            environment:
              - _JAVA_OPTIONS=-Xmx6G
              - SERVER_PORT=2333
              - LAVALINK_SERVER_PASSWORD=${LAVALINK_PASSWORD:-shall-not-pass}
            ports:
              - "2333:2333"
        """,
        (("lavalink", "http://127.0.0.1:2333", "$LAVALINK_PASSWORD", None, ()),),
    ),
    "config.ts of NodeLink 3": Sample(
        "nodelink",
        """
        import type { NodelinkConfig } from './src/typings/config/config.types.ts'

        export const config: NodelinkConfig = {
          server: {
            host: '0.0.0.0',
            port: 3000,
            password: 'shall-not-pass',
            useBunServer: true, // experimental
            autoUpdate: { enabled: false, channel: 'dev' }
          },
          cluster: { enabled: true, workers: 0 },
          sources: {
            vkmusic: { enabled: true, proxy: { url: '', username: '', password: '' } },
            youtube: { cipher: { url: 'https://cipher.example.com/api', token: null } }
          }
        }
        """,
        (("nodelink", "http://127.0.0.1:3000", "shall-not-pass", None, ()),),
    ),
    "config.js of NodeLink 2": Sample(
        "nodelink",
        """
        export default {
          version: { major: '2', minor: '2' },
          server: {
            port: 2333,
            password: 'shall-not-pass'
          },
          options: { logFile: 'logs.txt', /* false to disable */ nativePlayback: true }
        }
        """,
        (("nodelink", "http://127.0.0.1:2333", "shall-not-pass", None, ()),),
    ),
    "NodeLink's configuration as JSON": Sample(
        "nodelink",
        '{"server": {"host": "10.0.0.7", "port": 3000, "password": "pw"}, "cluster": {"enabled": true}}',
        (("nodelink", "http://10.0.0.7:3000", "pw", None, ()),),
    ),
    "variables of NodeLink's container": Sample(
        "nodelink",
        'NODELINK_SERVER_HOST="0.0.0.0"\nNODELINK_SERVER_PORT="3000"\nNODELINK_SERVER_PASSWORD="pw"\n',
        (("nodelink", "http://127.0.0.1:3000", "pw", None, ()),),
    ),
    "a bot with Wavelink 3": Sample(
        "wavelink",
        """
        class Bot(commands.Bot):
            async def setup_hook(self) -> None:
                nodes = [
                    wavelink.Node(uri="http://one.example.com:2333", password="pw-one"),
                    wavelink.Node(identifier='two', uri="https://two.example.com", password=os.environ["TWO"]),
                    wavelink.Node(uri=URI, password="pw-three"),
                ]
                # cache_capacity is EXPERIMENTAL. Turn it off by passing None
                await wavelink.Pool.connect(nodes=nodes, client=self, cache_capacity=100)
        """,
        (
            (None, "http://one.example.com:2333", "pw-one", None, ()),
            ("two", "https://two.example.com", "$TWO", None, ()),
        ),
        ("f:7: [2].uri: is computed by code, which revvlink does not run",),
    ),
    "Wavelink's values in YAML, with an anchor": Sample(
        "wavelink",
        """
        nodes:
          - &first
            identifier: one
            uri: ws://one.example.com:2333
            password: pw-one
          - <<: *first
            identifier: two
            uri: wss://two.example.com
        """,
        (
            ("one", "http://one.example.com:2333", "pw-one", None, ()),
            ("two", "https://two.example.com", "pw-one", None, ()),
        ),
    ),
    "a bot with revvlink": Sample(
        "revvlink",
        """
        nodes = [revvlink.Node(identifier="us", uri="http://us.example.com:2333", password="pw", region="us")]
        await revvlink.Pool.connect(nodes=[*nodes, spare, revvlink.Node(uri="http://b.example.com", password="pw")])
        """,
        (
            ("us", "http://us.example.com:2333", "pw", "us", ()),
            (None, "http://b.example.com", "pw", None, ()),
        ),
        ("f:3: nodes[0]: is computed by code, which revvlink does not run",),
    ),
    "a cog with Lavalink.py": Sample(
        "lavalink.py",
        """
        class Music(commands.Cog):
            def __init__(self, bot):
                if not hasattr(bot, 'lavalink'):
                    bot.lavalink = lavalink.Client(bot.user.id)
                    bot.lavalink.add_node('127.0.0.1', 2333, 'pw-one', 'eu', 'default-node')  # Host, Port, ...
                    bot.lavalink.add_node(host='b.example.com', port=443, password=os.getenv('B', 'no'),
                                          region='us', name='b', ssl=True, tags={"prod": True, "weight": 3})
        """,
        (
            ("default-node", "http://127.0.0.1:2333", "pw-one", "eu", ()),
            ("b", "https://b.example.com", "$B", "us", ("prod", "weight=3")),
        ),
    ),
    "Lavalink.py's values as JSON": Sample(
        "lavalink.py",
        '{"lavalink": {"nodes": [{"host": "h.example.com", "port": "2333", "password": 12345, "region": "us"}]}}',
        ((None, "http://h.example.com:2333", "12345", "us", ()),),
    ),
    "a bot with lavalink-client": Sample(
        "lavalink-client",
        """
        client.lavalink = new LavalinkManager({
            nodes: [
                {
                    authorization: `pw-one`,
                    host: "one.example.com",
                    port: 2333,
                    id: "testnode",
                    sessionId: previouslyUsedSessions.get("testnode"),
                    heartBeatInterval: 30_000,
                    secure: false,
                    regions: ["us-east", "us-west"],
                },
                { id: "two", host: "two.example.com", port: 443, authorization: process.env.TWO!, secure: true },
            ],
            sendToShard: (guildId, payload) => client.guilds.cache.get(guildId)?.shard?.send(payload),
            client: { id: envConfig.clientId, username: "TESTBOT" },
        });
        client.redis = createClient({ url: "redis://localhost:6379", password: "securepass" });
        """,
        (
            ("testnode", "http://one.example.com:2333", "pw-one", "us-east", ()),
            ("two", "https://two.example.com", "$TWO", None, ()),
        ),
    ),
    "a manual of lavalink-client, which sets one name several times": Sample(
        "lavalink-client",
        """
        client.lavalink = new LavalinkManager({ nodes: [{ host: "none.example.com" }] });
        client.lavalink = new LavalinkManager({ nodes: [
            { id: "a", host: "a.example.com", port: 1, authorization: "x" }
        ] });
        """,
        (("a", "http://a.example.com:1", "x", None, ()),),
    ),
    "a list for lavalink-client in one variable": Sample(
        "lavalink-client",
        'X=1\nLAVALINK_NODES=[{"id":"Remote","host":"r.example.com","port":443,"authorization":"pw","secure":true}]\n',
        (("Remote", "https://r.example.com", "pw", None, ()),),
    ),
    "addresses for lavalink-client": Sample(
        "lavalink-client",
        'LAVALINK_NODES="lavalink://one:strong%23pw@one.example.com:2345 nodelink://two:pw@two.example.com:3000"',
        (
            ("one", "http://one.example.com:2345", "strong#pw", None, ()),
            ("two", "http://two.example.com:3000", "pw", None, ()),
        ),
    ),
    "a bot with Shoukaku 4": Sample(
        "shoukaku",
        """
        const Nodes = [{
            name: process.env.LAVALINK_NAME ?? 'main',
            url: process.env.LAVALINK_URL ?? 'localhost:6969',
            auth: process.env.LAVALINK_PASSWORD ?? 're_aoharu'
        },
        // { name: "old", url: "old.example.com:443", auth: "pw", secure: true },
        { name: "s2", url: "s2.example.com:443", auth: "pw", secure: true, group: "eu" }];
        const shoukaku = new Shoukaku(new Connectors.DiscordJS(client), Nodes);
        """,
        (
            ("main", "http://localhost:6969", "$LAVALINK_PASSWORD", None, ()),
            ("s2", "https://s2.example.com", "pw", None, ("eu",)),
        ),
    ),
    "a cluster of Lavalink4NET": Sample(
        "lavalink4net",
        """
        builder.Services.AddLavalinkCluster<DiscordClientWrapper>();
        builder.Services.ConfigureLavalinkCluster(x =>
        {
            x.Nodes = ImmutableArray.Create(
                new LavalinkClusterNodeOptions { BaseAddress = new Uri("http://one.example.com:2333/"), Label = "one",
                    Passphrase = "pw-one", Tags = ["a", "b"] },
                new LavalinkClusterNodeOptions() { BaseAddress = new("https://two.example.com"), Tags = new[] { "c" },
                    Passphrase = Environment.GetEnvironmentVariable("TWO")! },
                new LavalinkClusterNodeOptions { BaseAddress = new Uri("http://localhost:2335/"), });
        });
        """,
        (
            ("one", "http://one.example.com:2333", "pw-one", None, ("a", "b")),
            (None, "https://two.example.com", "$TWO", None, ("c",)),
            (None, "http://localhost:2335", "youshallnotpass", None, ()),
        ),
    ),
    "one node of Lavalink4NET": Sample(
        "lavalink4net",
        """
        services.ConfigureLavalink(config =>
        {
            config.BaseAddress = new Uri("http://lavalink:2333");
            config.Passphrase = "pw";
            config.Label = "Node";
        });
        """,
        (("Node", "http://lavalink:2333", "pw", None, ()),),
    ),
    "appsettings.json for Lavalink4NET": Sample(
        "lavalink4net",
        """
        {"Bot": {"Token": "x"},
         "Lavalink": {"BaseAddress": "http://net.example.com:2333", "WebSocketUri": "ws://net.example.com:2333",
                      "Passphrase": "pw", "HttpClient": {"Timeout": "00:00:30"}},
         "Database": {"ConnectionString": "Host=db;Password=x"}}
        """,
        ((None, "http://net.example.com:2333", "pw", None, ()),),
    ),
    "a list of public nodes": Sample(
        "lavalink-list",
        """
        [
            {"authorId": "1", "host": "v4.example.com", "identifier": "Example [SSL | US]",
             "password": "https://dsc.example.com/x", "port": 443, "restVersion": "v4", "secure": true},
            {"authorId": "1", "host": "old.example.com", "identifier": "Old", "password": "pw", "port": 80,
             "restVersion": "v3", "secure": false},
            {"authorId": "1", "host": "no.example.com", "identifier": "No", "password": "pw", "port": "x",
             "restVersion": "v4", "secure": false},
            7
        ]
        """,
        (("Example [SSL | US]", "https://v4.example.com", "https://dsc.example.com/x", None, ()),),
        (
            "f:6: [1].restVersion: is a Lavalink v3 node; revvlink needs v4",
            "f:7: [2].port: must be a number from 1 to 65535",
            "f:9: [3]: is not a node",
        ),
    ),
    "variables of a bot": Sample(
        "env",
        """
        TOKEN="." # Your bot token
        PREFIX= "!"
        LAVALINK_URL="localhost:2333" # Your lavalink url
        LAVALINK_AUTH='pa$$ #word'
        LAVALINK_NAME="Blacky"
        LAVALINK_SECURE= "false"
        """,
        (("Blacky", "http://localhost:2333", "pa$$ #word", None, ()),),
    ),
    "numbered variables with one password": Sample(
        "env",
        """
        export LAVALINK_PASS=pw-shared
        LAVALINK_1_HOST=lavalink
        LAVALINK_1_PORT=2333
        LAVALINK_1_ID=One
        LAVALINK_HOST_2=two.example.com
        LAVALINK_PORT_2=443
        LAVALINK_SECURE_2=true
        LAVALINK_PASSWORD_2=${SECOND}
        REDIS_HOST=redis
        REDIS_PORT=6379
        REDIS_PASSWORD=x
        """,
        (
            ("One", "http://lavalink:2333", "pw-shared", None, ()),
            ("lavalink-2", "https://two.example.com", "$SECOND", None, ()),
        ),
    ),
    "settings of a Python bot": Sample(
        "env",
        'LAVALINK_HOST = "lava.example.com"  # where it is\nLAVALINK_PORT = 2333\nLAVALINK_PASSWORD = "pw"\n',
        (("lavalink", "http://lava.example.com:2333", "pw", None, ()),),
    ),
    "revvlink's own JSON": Sample(
        "json",
        '[{"identifier": "a", "uri": "https://a.example.com", "password_env": "A", "region": "us", "tags": ["x"]},'
        ' {"identifier": "b", "uri": "https://b.example.com", "password_file": "b.txt"}]',
        (
            ("a", "https://a.example.com", "$A", "us", ("x",)),
            ("b", "https://b.example.com", "@b.txt", None, ()),
        ),
    ),
    "another configuration of revvlink": Sample(
        "json",
        """
        [defaults]
        timeout = 5.0
        [[nodes]]
        identifier = "a"  # first
        uri = "https://a.example.com"
        password = "pw"
        tags = ["x"]
        [nodes.check]
        skip = ["uptime"]
        [[nodes]]
        identifier = "b"
        uri = "https://b.example.com"
        password_env = "B"
        [[nodes]]
        identifier = "c"
        uri = "https://c.example.com"
        """,
        (
            ("a", "https://a.example.com", "pw", None, ("x",)),
            ("b", "https://b.example.com", "$B", None, ()),
        ),
        ("f:15: nodes[2]: has no password",),
    ),
    "a bot's own keys": Sample(
        "general",
        """
        module.exports = {
            prefix: '!',
            nodes: [{ host: "lava.example.com", password: "pw", port: 13592, secure: false, name: "Main Node" }],
            redis: { host: "r", port: 6379, password: "x" },
            botToken: process.env.BOT_TOKEN,
        };
        """,
        (("Main Node", "http://lava.example.com:13592", "pw", None, ()),),
    ),
    "nodes by name in YAML": Sample(
        "general",
        """
        common: &common {password: pw, secure: true}
        nodes:
          us-1: {<<: *common, host: us-1.example.com, port: 443, region: us}
          eu-1:
            <<: *common
            host: "[2001:db8::1]"
            port: 8443
        """,
        (
            ("us-1", "https://us-1.example.com", "pw", "us", ()),
            ("eu-1", "https://[2001:db8::1]:8443", "pw", None, ()),
        ),
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_recognised_and_read(name: str) -> None:
    """Each list is recognised by its content; every node has its values, and a wrong one costs only itself."""
    from pathlib import Path
    from textwrap import dedent

    kind, text, nodes, problems = SAMPLES[name]
    for read_as in (None, format_named(kind)):
        listed = read_list(dedent(text), Path("f"), read_as, Rules())

        assert listed.kind.name == kind
        assert [
            (
                node.identifier,
                node.uri,
                f"${node.password_env}" if node.password_env else f"@{node.password_file}" if node.password_file
                else node.password,
                node.region,
                node.tags,
            )
            for node in listed.reading.nodes
        ] == list(nodes)  # fmt: skip
        assert tuple(map(str, listed.reading.problems)) == problems


def test_every_format_has_a_sample() -> None:
    """A new format comes with a list as its program has it."""
    assert {sample.kind for sample in SAMPLES.values()} == {entry.name for entry in FORMATS}

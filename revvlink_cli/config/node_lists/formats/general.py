"""Nodes by any of the keys in use: what bots have in configurations of their own."""

from __future__ import annotations

from revvlink_cli.config.node_lists.entries import Fields, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat, finder

_PASSWORDS = ("password", "authorization", "auth", "passphrase", "pass")
_ADDRESSES = ["uri", "url", "baseaddress", "resturi"]
_HOSTS = ("host", "hostname", "address", "ip")

FIELDS = Fields(
    marks=marks(
        *(f"{address} {password}" for address in _ADDRESSES for password in _PASSWORDS),
        *(f"{host} port {password}" for host in _HOSTS for password in _PASSWORDS),
    ),
    uri=tuple(_ADDRESSES),
    host=_HOSTS,
    password=_PASSWORDS,
    region=("region", "regions"),
    calls={"create_node": ()},
)

WITHOUT_PASSWORD = NodeFormat(
    name="general",
    title="Any list of nodes without passwords",
    reads="",
    find=finder(FIELDS._replace(marks=marks(*_ADDRESSES, *(f"{host} port" for host in _HOSTS)))),
)
"""Tables with an address and nothing else: nodes only if the passwords are elsewhere."""

FORMAT = NodeFormat(
    name="general",
    title="Any list of nodes",
    reads="tables with `host` and `port`, or `uri` or `url`, and `password`, `authorization`, `auth` or `passphrase`",
    find=finder(FIELDS),
)

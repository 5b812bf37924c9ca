"""YAML output: the envelope of JSON, for people who read it and for tools that take YAML."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from revvlink_cli.output.json_format import JsonRenderer
from revvlink_cli.output.text import clean_json

_ESCAPED = re.compile(r"\\\\|\\u(d[89ab]..)\\u(d[c-f]..)")
"""An escaped backslash, or a character in the two halves that JSON makes of it."""


class YamlRenderer(JsonRenderer):
    """Writes one document."""

    def write_document(self, document: dict[str, Any]) -> None:
        """Write the envelope as YAML."""
        text = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000_000)
        self._output.write(text)


class _Dumper(yaml.SafeDumper):
    """Writes text that needs escapes as JSON has it: JSON's strings are strings of YAML."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Write equal values in full."""
        return True

    def analyze_scalar(self, scalar: str) -> Any:
        """See whether text may stand without quotes; text with anything invisible may not."""
        analysis = super().analyze_scalar(scalar)
        if clean_json(scalar) != scalar or "\n" in scalar:
            analysis.allow_flow_plain = analysis.allow_block_plain = analysis.allow_single_quoted = False
            analysis.allow_block = False
        return analysis

    def write_double_quoted(self, text: str, split: bool = True) -> None:  # noqa: ARG002 - PyYAML's signature
        """Write a quoted string with the escapes of JSON, but for those of characters in two halves."""
        escaped = clean_json(json.dumps(text, ensure_ascii=False))
        self.write_indicator(_ESCAPED.sub(_whole, escaped), True)


def _whole(found: re.Match[str]) -> str:
    if found[1] is None:
        return found.group()
    return f"\\U{0x10000 + ((int(found[1], 16) - 0xD800) << 10) + int(found[2], 16) - 0xDC00:08x}"

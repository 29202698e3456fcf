"""Parser of the header `Forwarded` (RFC 7239), with quoted strings that may contain commas."""

import re
from collections.abc import Sequence

# An optional pair and its separator: `;` before the next pair, `,` before the next hop, or the end. RFC 7239
# has pairs of tokens and quoted strings; many proxies omit the quotes around an address with a port.
_PIECE = re.compile(
    r"[ \t]*+(?:([!#$%&'*+.^_`|~\w-]++)=(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s;,\"\\]++))[ \t]*+)?([;,]|\Z)",
    re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)")

Element = dict[str, str]
"""The parameters of one hop: the first value of each name, with names in lower case."""


def elements_of(lines: Sequence[str]) -> list[Element]:
    """Return the parameters of each hop, in the order of the header (its lines are one list, RFC 9110, 5.3).

    Empty if any part of it is invalid, because the bounds of the elements are then unknown.
    """
    text = ",".join(lines)
    elements: list[Element] = [{}]
    position, end = 0, ""
    while match := _PIECE.match(text, position):
        name, quoted, bare, end = match.groups()
        if name is not None:
            value = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
            elements[-1].setdefault(name.lower(), value)
        if not end:
            return elements
        if end == ",":
            elements.append({})
        position = match.end()
    return []

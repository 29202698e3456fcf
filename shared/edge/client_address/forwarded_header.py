"""The header `Forwarded` (RFC 7239), read as a whole: a comma inside of quotes parts nothing."""

import re
from collections.abc import Sequence

# One pair, or none, and what follows it: `;` the next pair, `,` the next hop, or the end. RFC 7239 has pairs
# of tokens and quoted strings; an address with a port is often written without the quotes that it needs.
_PIECE = re.compile(
    r"[ \t]*+(?:([!#$%&'*+.^_`|~\w-]++)=(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s;,\"\\]++))[ \t]*+)?([;,]|\Z)",
    re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)")

Element = dict[str, str]
"""What one hop says: the first value of each name, names in small letters."""


def elements_of(lines: Sequence[str]) -> list[Element]:
    """What each hop says, in the order of the header, whose lines are one list (RFC 9110, 5.3).

    Empty when any part of it can not be read: where one element ends is then anybody's guess.
    """
    text = ",".join(lines)
    elements: list[Element] = [{}]
    position, end = 0, ""
    while found := _PIECE.match(text, position):
        name, quoted, bare, end = found.groups()
        if name is not None:
            value = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
            elements[-1].setdefault(name.lower(), value)
        if not end:
            return elements
        if end == ",":
            elements.append({})
        position = found.end()
    return []

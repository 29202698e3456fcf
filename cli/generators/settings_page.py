"""Makes docs/settings.md from the settings classes: `python -m cli.generators.settings_page > docs/settings.md`."""

import sys
from collections.abc import Iterator

from apps.auth.settings import AuthSettings
from apps.file.settings import FileSettings
from apps.gateway.settings import GatewaySettings
from apps.message.settings import MessageSettings
from apps.server.settings import ServerSettings
from shared.edge.settings import EdgeSettings
from shared.kit.config.env import SettingDoc, Settings, document
from shared.kit.config.settings import ProcessSettings

SECTIONS: tuple[tuple[str, type[Settings]], ...] = (
    ("The ports for clients: the gateway's and the file service's", EdgeSettings),
    ("The gateway", GatewaySettings),
    ("The auth service", AuthSettings),
    ("The server service", ServerSettings),
    ("The message service", MessageSettings),
    ("The file service", FileSettings),
)

_HEAD = """# Settings

Every setting is an environment variable. A process tells everything that is wrong with its settings at once and
does not start. This page is made from the code: `python -m cli.generators.settings_page > docs/settings.md`.
"""

_EMBEDDED = """
## For `concord run`

| variable | default | what it is |
|---|---|---|
| `CONCORD_PREPARED` | `0` | `1`: `concord run` creates no topics and tables, because `concord prepare` is run beside it |

## The embedded parts, for `concord up` and `concord infra up`

| variable | default | what it is |
|---|---|---|
| `CONCORD_DATA` | `.concord` | folder of the data, the logs, and the record of what runs |
| `CONCORD_CACHE` | the user's cache folder | what is downloaded once, shared by all data folders |
| `CONCORD_KAFKA_PORT` | `9092` | port of the embedded Kafka, on 127.0.0.1 |
| `CONCORD_POSTGRES_PORT` | `5433` | port of the embedded Postgres, on 127.0.0.1 |
| `CONCORD_S3_PORT` | `9000` | port of the embedded S3, on 127.0.0.1 |
| `CONCORD_KAFKA_JIT` | `c1` | `c1` starts quickly, `full` runs fastest |
| `CONCORD_KAFKA_HEAP_MIB` | `256` | heap of the embedded Kafka, 64 to 65536 MiB |
| `CONCORD_KAFKA_AOT` | `1` | `1` keeps an ahead-of-time cache that makes Kafka's start quicker, `0` does not |
| `CONCORD_MAVEN_URL` | Maven Central | a mirror to take Kafka's jars from; what they must be is checked by SHA-256 |
"""


def page() -> str:
    """The whole page."""
    shared = document(ProcessSettings)
    parts = [_HEAD, "\n## Every process\n", *_table(shared)]
    for title, kind in SECTIONS:
        told = (
            shared if kind is EdgeSettings or not issubclass(kind, EdgeSettings) else document(EdgeSettings)
        )
        own = [row for row in document(kind) if row not in told]
        parts += [f"\n## {title}\n", *_table(own)]
    return "\n".join(parts) + "\n" + _EMBEDDED


def _table(rows: "tuple[SettingDoc, ...] | list[SettingDoc]") -> Iterator[str]:
    yield "| variable | default | must be | what it is |"
    yield "|---|---|---|---|"
    for row in rows:
        default = "required" if row.default is None else f"`{row.default}`" if row.default else "none"
        yield f"| `{row.name}` | {default} | {_cell(row.bounds)} | {_cell(row.description)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())

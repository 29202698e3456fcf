"""Generate docs/settings.md: `python -m cli.generators.settings_page > docs/settings.md`."""

import sys
from collections.abc import Iterator, Sequence

from apps.auth.settings import AuthSettings
from apps.file.settings import FileSettings
from apps.gateway.settings import GatewaySettings
from apps.message.settings import MessageSettings
from apps.server.settings import ServerSettings
from cli.config.settings import CommandSettings, RunSettings
from shared.edge.settings import EdgeSettings
from shared.kit.config.env import SettingDoc, Settings, document
from shared.kit.config.settings import ProcessSettings

SECTIONS: tuple[tuple[str, type[Settings]], ...] = (
    ("The ports for clients, of the gateway and the file service", EdgeSettings),
    ("The gateway", GatewaySettings),
    ("The auth service", AuthSettings),
    ("The server service", ServerSettings),
    ("The message service", MessageSettings),
    ("The file service", FileSettings),
    ("For `concord run`", RunSettings),
    ("The embedded infrastructure, for `concord up` and `concord infra up`", CommandSettings),
)

_HEAD = """# Settings

Every setting is an environment variable. A process with invalid settings lists all problems at once and does not
start. This page is generated from the code: `python -m cli.generators.settings_page > docs/settings.md`.
"""


_COMPUTED_DEFAULTS = {"CONCORD_CACHE": "the user's cache folder", "CONCORD_MAVEN_URL": "Maven Central"}


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD, "\n## Every process\n", *_table(document(ProcessSettings))]
    for title, settings_type in SECTIONS:
        inherited = document(_base_of(settings_type))
        own = [row for row in document(settings_type) if row not in inherited]
        parts += [f"\n## {title}\n", *_table(own)]
    return "\n".join(parts) + "\n"


def _base_of(settings_type: type[Settings]) -> type[Settings]:
    """Return the settings that another section lists already."""
    is_service_with_port = issubclass(settings_type, EdgeSettings) and settings_type is not EdgeSettings
    return EdgeSettings if is_service_with_port else ProcessSettings


def _table(rows: Sequence[SettingDoc]) -> Iterator[str]:
    yield "| variable | default | must be | what it is |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| `{row.name}` | {_default(row)} | {_cell(row.bounds)} | {_cell(row.description)} |"


def _default(row: SettingDoc) -> str:
    if row.default is None:
        return "required"
    return f"`{row.default}`" if row.default else _COMPUTED_DEFAULTS.get(row.name, "none")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())

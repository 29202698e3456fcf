"""The settings of a tool that looks at Kafka and is no process of the mesh."""

from typing import ClassVar

from shared.kit.config.settings import ProcessSettings


class ToolSettings(ProcessSettings, frozen=True, kw_only=True):
    """How to get into Kafka. A tool writes nothing of its own that others would have to trust."""

    signs: ClassVar[bool] = False

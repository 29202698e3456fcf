"""The result of one check of `concord doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """The subject of a check and its outcome; `wrong` if the user has to fix something."""

    about: str
    text: str
    wrong: bool = False

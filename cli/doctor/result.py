"""One thing that `concord doctor` has to say."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """What was looked at, and what was found; `wrong` when the user has to do something."""

    about: str
    text: str
    wrong: bool = False

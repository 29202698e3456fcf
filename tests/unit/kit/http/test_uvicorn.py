"""The private parts of uvicorn on which the HTTP protocol relies."""

import inspect
import tomllib
from hashlib import sha256
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

PINNED = {
    HttpToolsProtocol: "18fdf324b11bf160",
    RequestResponseCycle: "e67d470d435dcc1c",
    uvicorn.Server.capture_signals: "e1bbcd4770d1c887",
}
"""Hashes of the code that is overridden or read; compare the code itself before updating one."""


def test_the_overridden_code_is_the_examined_one() -> None:
    hashes = {code: sha256(inspect.getsource(code).encode()).hexdigest()[:16] for code in PINNED}
    assert hashes == PINNED


def test_the_requirements_allow_the_examined_version_only() -> None:
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert "uvicorn>=0.54,<0.55" in project["dependencies"]
    assert uvicorn.__version__.startswith("0.54.")

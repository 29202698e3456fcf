"""The data folder: whose it is, and what it refuses."""

from pathlib import Path

import pytest

from cli.config.data_folder import DataFolder
from cli.errors import ConcordError


def test_one_concord_at_a_time(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.claim()
    with pytest.raises(ConcordError, match="in use by another Concord"):
        second.claim()
    first.release()
    second.claim()
    second.release()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("what another user may not overwrite")
    root = tmp_path / "data"
    root.mkdir()
    (root / "lock").symlink_to(precious)
    with pytest.raises(ConcordError, match="cannot be written"):
        DataFolder(root).claim()
    assert precious.read_text() == "what another user may not overwrite"

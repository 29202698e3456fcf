"""As many files as connections need."""

import logging
import resource

import pytest

from shared.kit.http.sockets import allow_connections


@pytest.mark.parametrize(
    ("limits", "count", "set_to"),
    [
        ((1024, 20_000), 10_000, (10_256, 20_000)),
        ((1024, 4096), 10_000, (4096, 4096)),
        ((65_536, 65_536), 10_000, None),
        ((1024, resource.RLIM_INFINITY), 10_000, (10_256, resource.RLIM_INFINITY)),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 10_000, None),
    ],
)
def test_the_bound_of_open_files_follows_that_of_connections(
    limits: tuple[int, int],
    count: int,
    set_to: tuple[int, int] | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, bounds: found.append(bounds))
    with caplog.at_level(logging.WARNING):
        allow_connections(count)
    assert found == ([] if set_to is None else [set_to])
    assert bool(caplog.records) == (limits[1] == 4096)

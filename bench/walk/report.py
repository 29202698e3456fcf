"""The figures as Markdown: a row for each request, and the files of each process."""

from collections.abc import Iterator, Mapping

from bench.walk.count import Walk

Walks = Mapping[str, Walk]


def table(walks: Walks, before: Walks | None = None) -> str:
    """Return a Markdown table with a row for each request; cells are `before → now` where both are known."""
    rows = [
        "| | files entered | moves between files | frames (resumed coroutines) | files by process |",
        "|---|---|---|---|---|",
    ]
    for name, walk in walks.items():
        cells = _cells(walk)
        if before is not None and name in before:
            cells = [f"{old} → {new}" for old, new in zip(_cells(before[name]), cells, strict=True)]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def files(walks: Walks) -> str:
    """Return Markdown lists of the files by request and process, with the number of frames of each."""
    return "\n".join(_files(walks))


def _files(walks: Walks) -> Iterator[str]:
    for name, walk in walks.items():
        for process, steps in walk.processes.items():
            yield f"\n### {name}: {process}, {len(steps.files)} files\n"
            yield from (f"* `{file}` {count}" for file, count in steps.files.items())


def _cells(walk: Walk) -> list[str]:
    by_process = ", ".join(f"{name} {len(steps.files)}" for name, steps in walk.processes.items())
    return [str(walk.files), str(walk.moves), f"{walk.frames} ({walk.resumed})", by_process]

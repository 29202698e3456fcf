"""The state of a Postgres cluster, read from its files."""

from pathlib import Path

from cli.processes.identity import command_words, has_words


def says_ready(data: Path, pid: int) -> bool:
    """Return True if the server with this data and process id reports that it accepts connections."""
    lines = pid_file_lines(data)
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def remove_stale_pid_file(data: Path) -> None:
    """Delete a pid file that Postgres would refuse: an empty one, or one with another program's pid."""
    lines = pid_file_lines(data)
    if not lines or not lines[0].isdigit() or not is_postgres(int(lines[0]), data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def pid_file_lines(data: Path) -> list[str]:
    """Return the lines of `postmaster.pid`: pid, folder, start, port, ... and, in line 8, the state."""
    try:
        return (data / "postmaster.pid").read_text(errors="replace").splitlines()
    except OSError:
        return []


def is_postgres(pid: int, data: Path) -> bool:
    """Return True if the process is a Postgres server of this cluster."""
    return has_words(pid, [str(data)]) and any("postgres" in word for word in command_words(pid))


def system_identifier(data: Path) -> bytes | None:
    """Return the number that initdb gave the cluster: the first eight bytes of its control file."""
    try:
        with (data / "global" / "pg_control").open("rb") as handle:
            return handle.read(8)
    except OSError:
        return None

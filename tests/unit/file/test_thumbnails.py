"""Images of clients are rendered in processes, which may fail, but not harm the service."""

import asyncio
import io
import json
import os
import shutil
import struct
import sys
import textwrap
import tracemalloc
import zlib
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apps.file.outbound import thumbnails
from apps.file.outbound.thumbnails import ProcessRenderer
from shared.contracts.errors import ServiceError


@pytest.fixture
def workers() -> ProcessRenderer:
    return ProcessRenderer(1, timeout_s=20)


def busy() -> "pytest.RaisesExc[ServiceError]":
    return pytest.raises(ServiceError, match=r"mesh\.busy")


def image(
    size: tuple[int, int] = (1000, 500), kind: str = "PNG", mode: str = "RGB", **options: object
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 1 if mode in ("1", "P", "L", "I;16") else "teal").save(out, kind, **options)
    return out.getvalue()


def png_that_says(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header claims a size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


async def painted(workers: ProcessRenderer, body: bytes) -> dict[int, bytes]:
    async with workers.slot(), workers.scratch_file(len(body)) as image:
        image.write(body)
        image.flush()
        made = await workers.render(image)
    assert image.closed
    return made


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("GIF", "P"),
        ("WEBP", "RGBA"),
    ],
)
async def test_thumbnails_of_every_kind(workers: ProcessRenderer, kind: str, mode: str) -> None:
    made = await painted(workers, image(kind=kind, mode=mode))
    sizes = {size: Image.open(io.BytesIO(body)).size for size, body in made.items()}
    assert sizes == {96: (96, 96), 320: (320, 160), 640: (640, 320), 800: (800, 400)}


async def test_none_is_larger_than_the_image(workers: ProcessRenderer) -> None:
    made = await painted(workers, image((40, 20)))
    sizes = {size: Image.open(io.BytesIO(body)).size for size, body in made.items()}
    assert sizes == {96: (96, 96), 320: (40, 20), 640: (40, 20), 800: (40, 20)}


BAD = {
    "a bomb": image((8000, 8000), mode="1"),
    "a size that is a lie": png_that_says(100_000, 100_000),
    "a smaller lie": png_that_says(6000, 6000),
    "cut off": image()[:-200],
    "no image": b"tea",
    "nothing": b"",
    "another kind": image(kind="BMP"),
    "an svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "noise": b"\x89PNG\r\n\x1a\n" + os.urandom(5000),
    "a gif with a huge frame": b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(20),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
async def test_what_has_none_ends_nothing(workers: ProcessRenderer, body: bytes) -> None:
    assert await painted(workers, body) == {}
    assert await painted(workers, image())


async def test_what_follows_an_image_is_not_kept(workers: ProcessRenderer) -> None:
    secret = b"<script>alert(1)</script>"
    body = image(kind="JPEG", comment=secret) + secret + b"PK\x03\x04"
    assert all(secret not in thumbnail for thumbnail in (await painted(workers, body)).values())


def instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Start this program instead of the worker."""
    command = (sys.executable, "-I", "-c", textwrap.dedent(program))
    monkeypatch.setattr(thumbnails, "_COMMAND", command)


FAULTS = {
    "killed": "import os; os.kill(os.getpid(), 9)",
    "nothing said": "",
    "nonsense": "print('tea')",
    "out of memory": """print('{"failed": "MemoryError"}')""",
    "cut off": """print('{"sizes": {"96": 90, "320": 90, "640": 90, "800": 90}}')""",
    "too much": """print('{"sizes": {"96": 9000000, "320": 90, "640": 90, "800": 90}}')""",
    "other sizes": """print('{"sizes": {"97": 1}}'); print('x')""",
    "no images": """print('{"sizes": {"96": 1, "320": 1, "640": 1, "800": 1}}'); print('evil')""",
    "without end": "while True: print('a' * 10000)",
    "asleep": "import time; time.sleep(60)",
}


@pytest.mark.parametrize("program", FAULTS.values(), ids=FAULTS)
async def test_what_is_not_the_images_fault(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    workers = ProcessRenderer(1, timeout_s=1)
    instead(monkeypatch, program)
    with busy():
        await painted(workers, image())
    monkeypatch.undo()
    workers._timeout_s = 20
    assert await painted(workers, image())


async def test_no_worker_fills_the_memory_of_the_service(
    workers: ProcessRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative lengths make up for one that is far too large."""
    program = """
        import sys
        print('{"sizes": {"96": 64000000, "320": -64000000, "640": 1, "800": 1}}', flush=True)
        while True:
            sys.stdout.buffer.write(bytes(2**20))
    """
    instead(monkeypatch, program)
    tracemalloc.start()
    with busy():
        await painted(workers, image())
    assert tracemalloc.get_traced_memory()[1] < 2 * thumbnails._REPORT_MAX_BYTES
    tracemalloc.stop()


async def test_what_can_not_be_started_is_not_the_images_fault(
    workers: ProcessRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "_COMMAND", ("/nowhere/python",))
    with busy():
        await painted(workers, image())


async def test_memory_that_does_not_suffice_is_not_the_images_fault(
    workers: ProcessRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 megapixels within the bounds, and a worker that may not have so much memory."""
    small = f"""
        import runpy, sys
        sys.argv[0] = {str(thumbnails._WORKER)!r}
        worker = runpy.run_path(sys.argv[0])
        worker["main"].__globals__["MEMORY_MAX_BYTES"] = 64 * 1024 * 1024
        worker["main"]()
    """
    instead(monkeypatch, small)
    assert await painted(workers, image())
    for kind, mode in (("PNG", "1"), ("GIF", "P")):
        with busy():
            await painted(workers, image((8000, 5000), kind=kind, mode=mode))


async def test_whoever_waits_has_nothing_on_the_disk(workers: ProcessRenderer) -> None:
    at_desk = 0
    most = 0

    async def work() -> None:
        nonlocal at_desk, most
        async with workers.slot(), workers.scratch_file(1):
            at_desk += 1
            most = max(most, at_desk)
            await asyncio.sleep(0.01)
            at_desk -= 1

    await asyncio.gather(*(work() for _ in range(8)))
    assert most == 1


async def test_only_so_many_wait(workers: ProcessRenderer) -> None:
    async with asyncio.TaskGroup() as tasks, workers.slot():
        waiting = [tasks.create_task(painted(workers, b"tea")) for _ in range(thumbnails._WAITING_MAX - 1)]
        await asyncio.sleep(0)
        with busy():
            async with workers.slot():
                pass
        for task in waiting:
            task.cancel()


async def test_a_full_disk_is_told_and_takes_up_no_turn(
    workers: ProcessRenderer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: usage(100, 0, 2_000_000))
        for _ in range(thumbnails._WAITING_MAX + 1):
            with busy():
                await painted(workers, bytes(1_000_000))
    assert "no room for an image of 1000000 bytes" in caplog.text
    assert "2000000 bytes are free" in caplog.text
    async with workers.slot(), workers.scratch_file(1_000_000) as place:
        assert place.writable()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_nothing_stays_on_the_disk_when_the_service_is_killed(tmp_path: Path) -> None:
    program = """
        import asyncio, os
        from apps.file.outbound.thumbnails import ProcessRenderer

        async def hold():
            workers = ProcessRenderer(1, timeout_s=20)
            async with workers.slot(), workers.scratch_file(5) as image:
                image.write(b"image")
                image.flush()
                print(os.readlink(f"/proc/self/fd/{image.fileno()}"), flush=True)
                await asyncio.sleep(60)

        asyncio.run(hold())
    """
    command = (sys.executable, "-c", textwrap.dedent(program))
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    started = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environ)
    assert started.stdout is not None
    place = (await started.stdout.readline()).decode()
    assert place.startswith(str(tmp_path)), "the image is on the disk"
    started.kill()
    await started.wait()
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


INSIDE = """
import fcntl, json, os, runpy, resource, socket, subprocess, sys
sys.argv = ["worker"]
worker = runpy.run_path({worker!r})
told = {{"environ": dict(os.environ), "files": os.listdir("/proc/self/fd")}}
told["may only read"] = fcntl.fcntl(0, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
worker["drop_rights"](7)

def tried(what):
    try:
        what()
    except Exception as error:
        return type(error).__name__
    return "done"

told["open"] = tried(lambda: open("/etc/passwd"))
told["socket"] = tried(lambda: socket.socket())
os.close(0)
told["open in its place"] = tried(lambda: open("/etc/passwd"))
told["memory"] = tried(lambda: bytearray(2**31))
limits = ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE")
told["limits"] = {{name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in limits}}
import ctypes
libc = ctypes.CDLL(None)
told["privileges"] = libc.prctl(39, 0, 0, 0, 0)
told["dumpable"] = libc.prctl(3, 0, 0, 0, 0)
print(json.dumps(told), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_worker_has_nothing_and_can_open_nothing(
    workers: ProcessRenderer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    left_open = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(left_open, True)
    told: dict[str, Any] = {}

    async def read(worker: asyncio.subprocess.Process) -> dict[int, bytes]:
        assert worker.stdout is not None
        told.update(json.loads(await worker.stdout.readline()))
        return {}

    instead(monkeypatch, INSIDE.format(worker=str(thumbnails._WORKER)))
    monkeypatch.setattr(thumbnails, "_read_thumbnails", read)
    await painted(workers, image())
    os.close(left_open)
    assert set(told["environ"]) <= {"LC_CTYPE"}  # Python sets it for itself
    assert len(told["files"]) == 4  # its input, output and errors, and the look into this very folder
    assert (told["open"], told["socket"], told["open in its place"]) == ("OSError", "OSError", "OSError")
    assert told["may only read"]
    assert told["memory"] == "MemoryError"
    assert (told["privileges"], told["dumpable"]) == (1, 0)
    assert told["limits"]["CPU"] == [7, 7]
    assert all(told["limits"][name] == [0, 0] for name in ("FSIZE", "NOFILE", "NPROC", "CORE"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends it")
async def test_a_worker_ends_with_its_service() -> None:
    """However its parent ends: kill -9 leaves no worker behind."""
    wanted = json.dumps({"cropped": 96, "scaled": [320], "cpu_s": 20})
    parent = f"""
        import subprocess, sys, time
        worker = subprocess.Popen([{sys.executable!r}, "-I", {str(thumbnails._WORKER)!r}, {wanted!r}],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        while "NoNewPrivs:\\t1" not in open(f"/proc/{{worker.pid}}/status").read():
            time.sleep(0.02)
        print(worker.pid, flush=True)
        time.sleep(60)
    """
    command = (sys.executable, "-c", textwrap.dedent(parent))
    started = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert started.stdout is not None
    pid = int(await started.stdout.readline())
    assert running(pid)
    started.kill()
    await started.wait()
    for _ in range(100):
        if not running(pid):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the worker lives on")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

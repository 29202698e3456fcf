"""No process looks into another: what opens pictures of others has the user of every service."""

import subprocess
import sys
import textwrap

import pytest

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has it")
SEEN = """
    import ctypes, os

    def seen(work, *_):
        work.close()
        print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""
PROGRAMS = {
    "a service": """
        from shared.kit.runtime import service
        from shared.kit.config.settings import ProcessSettings
        service.uvloop.run = seen
        service.run_service("auth", ProcessSettings(), None)
    """,
    "the gateway": """
        from apps.gateway import main
        main.uvloop.run = seen
        os.environ["MESH_SECRET"] = "x" * 32
        main.main()
    """,
}


@LINUX
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_every_process_hides_its_memory(program: str) -> None:
    command = (sys.executable, "-c", textwrap.dedent(SEEN) + textwrap.dedent(program))
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split()[-1:] == ["0"]

"""The set-up that make runs before anything is installed: its refusals, and when it runs again."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.running import ROOT

BOOTSTRAP = ROOT / "cli" / "bootstrap.py"


def run_code(code: str) -> subprocess.CompletedProcess[str]:
    """Run code that can import the set-up script as `bootstrap`, by a Python that sees no packages."""
    path = f"import sys; sys.path.insert(0, {str(BOOTSTRAP.parent)!r}); "
    command = [sys.executable, "-I", "-S", "-c", path + code]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_one_sentence(module: str) -> None:
    done = run_code(f"sys.modules[{module!r}] = None; import bootstrap; bootstrap.check_interpreter()")
    assert done.returncode == 1
    assert done.stderr.startswith("concord: This Python has no venv module")
    assert "apt install python3-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_old_python_is_one_sentence() -> None:
    done = run_code("sys.version_info = (3, 10, 1); import bootstrap; bootstrap.check_interpreter()")
    assert done.returncode == 1
    assert done.stderr.startswith("concord: Python 3.10 is too old: Concord needs at least 3.11.")
    assert "make PYTHON=" in done.stderr


def test_this_python_will_do() -> None:
    assert run_code("import bootstrap; bootstrap.check_interpreter()").returncode == 0


def test_make_names_a_missing_python() -> None:
    env = {"PATH": os.environ["PATH"]}
    command = ["make", "-s", "PYTHON=no-such-python", "has-python"]
    done = subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "no no-such-python on this machine" in done.stderr


SCRIPT = """#!/bin/sh
mkdir -p .venv/bin
ln -sf /bin/sh .venv/bin/python
touch "$4"
echo "$3" >> calls
"""


class Checkout:
    """A folder with the Makefile and a stand-in for Python, which notes each set-up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (
            "requirements/run.txt",
            "requirements/test.txt",
            "requirements/setup.txt",
            "pyproject.toml",
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        (folder / "cli").mkdir()
        for path in ("cli/bootstrap.py", "Makefile"):
            shutil.copy(ROOT / path, folder / path)
        (folder / "python").write_text(SCRIPT)
        (folder / "python").chmod(0o755)

    def set_up(self, lock: str) -> list[str]:
        """Make the stamp of a lock; return the locks that make set up for it."""
        calls = self.folder / "calls"
        calls.unlink(missing_ok=True)
        command = ["make", "-s", "PYTHON=./python", "setup" if lock == "test" else "up"]
        subprocess.run(command, check=False, cwd=self.folder, capture_output=True, timeout=60)
        return calls.read_text().split() if calls.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def test_a_checkout_is_set_up_once(checkout: Checkout) -> None:
    assert [checkout.set_up("run"), checkout.set_up("run")] == [["run"], []]
    assert [checkout.set_up("test"), checkout.set_up("test")] == [["test"], []]


def test_the_test_lock_holds_the_run_lock(checkout: Checkout) -> None:
    assert [checkout.set_up("test"), checkout.set_up("run")] == [["test"], []]


@pytest.mark.parametrize("name", ["requirements/run.txt", "requirements/setup.txt", "pyproject.toml"])
def test_a_new_lock_is_set_up_again(checkout: Checkout, name: str) -> None:
    checkout.set_up("test")
    later_s = time.time() + 5
    os.utime(checkout.folder / name, (later_s, later_s))
    assert checkout.set_up("test") == ["test"]


def test_a_moved_checkout_is_set_up_again(checkout: Checkout) -> None:
    checkout.set_up("test")
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    assert [checkout.set_up("test"), checkout.set_up("test")] == [["test"], []]


def test_a_checkout_whose_python_is_gone_is_set_up_again(checkout: Checkout) -> None:
    checkout.set_up("test")
    (checkout.folder / ".venv/bin/python").unlink()
    (checkout.folder / ".venv/bin/python").symlink_to("/no/such/python")
    assert checkout.set_up("test") == ["test"]


def test_the_second_of_two_makes_at_once_does_nothing(tmp_path: Path) -> None:
    """It waits for the lock, and then finds a stamp younger than its own beginning."""
    (tmp_path / "requirements").mkdir()
    stamp = tmp_path / "stamp"
    code = (
        f"import bootstrap; p = bootstrap.Path({str(tmp_path)!r}); bootstrap.LOCKS = p / 'requirements'; "
        "bootstrap.fcntl.flock = lambda *_: (p / 'stamp').touch(); "
        "bootstrap.make_venv = lambda: print('set up'); "
        "bootstrap.main('run', p / 'stamp')"
    )
    done = run_code(code)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert stamp.exists()


def test_the_modules_of_the_checkout_are_compiled_whatever_the_environment_says(tmp_path: Path) -> None:
    for package in ("apps", "bench", "cli", "migrations", "shared"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "one.py").write_text("A = 1\n")
    paths = f"bootstrap.ROOT = bootstrap.Path({str(tmp_path)!r}); bootstrap.PYTHON = {sys.executable!r}; "
    done = run_code(
        "import os; os.environ.update(PYTHONDONTWRITEBYTECODE='1', PYTHONPYCACHEPREFIX=''); "
        f"import bootstrap; {paths}bootstrap.compile_modules()"
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*/__pycache__/one.*.pyc"))) == 5

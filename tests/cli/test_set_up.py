"""What make runs before anything is installed: its refusals, and that it knows when all is done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ROOT

SET_UP = ROOT / "cli" / "set_up.py"


def run_code(code: str) -> subprocess.CompletedProcess[str]:
    """Run code that can import the set-up script as `set_up`, by a Python that sees no packages."""
    path = f"import sys; sys.path.insert(0, {str(SET_UP.parent)!r}); "
    command = [sys.executable, "-I", "-S", "-c", path + code]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_one_sentence(module: str) -> None:
    done = run_code(f"sys.modules[{module!r}] = None; import set_up; set_up.check_interpreter()")
    assert done.returncode == 1
    assert done.stderr.startswith("concord: This Python has no venv module")
    assert "apt install python3-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_old_python_is_one_sentence() -> None:
    done = run_code("sys.version_info = (3, 10, 1); import set_up; set_up.check_interpreter()")
    assert done.returncode == 1
    assert done.stderr.startswith("concord: Python 3.10 is too old: Concord needs at least 3.11.")
    assert "make PYTHON=" in done.stderr


def test_this_python_will_do() -> None:
    assert run_code("import set_up; set_up.check_interpreter()").returncode == 0


def test_make_names_a_missing_python() -> None:
    env = {"PATH": os.environ["PATH"]}
    command = ["make", "-s", "PYTHON=no-such-python", "has-python"]
    done = subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "there is no no-such-python here" in done.stderr


def test_done_means_done_from_these_locks_at_this_place(tmp_path: Path) -> None:
    for name in ("requirements/run.txt", "requirements/setup.txt", "pyproject.toml", ".venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first")
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "set_up.py").write_bytes(SET_UP.read_bytes())
    stamp = "set_up.STAMP.write_text(set_up.json.dumps({'run': set_up.digest('run')})); "
    path = f"import sys; sys.path.insert(0, {str(tmp_path / 'cli')!r}); import set_up; "
    say = "print(set_up.is_done('run'), set_up.is_done('test'))"

    def ask(code: str) -> str:
        command = [sys.executable, "-I", "-S", "-c", path + code]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    (tmp_path / "requirements/test.txt").write_text("first")
    assert ask(say) == "False False"
    assert ask(stamp + say) == "True False"
    (tmp_path / "requirements/run.txt").write_text("second")
    assert ask(say) == "False False"


def test_the_modules_of_the_checkout_are_compiled_whatever_the_environment_says(tmp_path: Path) -> None:
    for room in ("apps", "cli", "migrations", "shared"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "one.py").write_text("A = 1\n")
    paths = f"set_up.ROOT = set_up.Path({str(tmp_path)!r}); set_up.PYTHON = {sys.executable!r}; "
    done = run_code(
        "import os; os.environ.update(PYTHONDONTWRITEBYTECODE='1', PYTHONPYCACHEPREFIX=''); "
        f"import set_up; {paths}set_up.compile_modules()"
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*/__pycache__/one.*.pyc"))) == 4

"""Set a checkout up: `.venv`, the locked packages, the `concord` command. Run by make, by any Python >= 3.7.

Standard library only, and no module of this project: it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

LOWEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin" / "python")
LOCKS = ROOT / "requirements"
PACKAGES = ("apps", "bench", "cli", "migrations", "shared")
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def main(lock: str, stamp: Path) -> None:
    """Install `requirements/<lock>.txt` and touch the stamp; return at once if another make just did."""
    check_interpreter()
    began_s, stamped_ns = time.monotonic(), modified_ns(stamp)
    handle = os.open(str(LOCKS), os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    if modified_ns(stamp) != stamped_ns:
        return
    make_venv()
    install(["--require-hashes", "-r", f"requirements/{lock}.txt"])
    compile_modules()
    stamp.touch()
    print(f"Set up in {time.monotonic() - began_s:.0f} s", flush=True)


def modified_ns(path: Path) -> int:
    """Return the time of the last change of a file, in nanoseconds; 0 if it does not exist."""
    return path.stat().st_mtime_ns if path.exists() else 0


def check_interpreter() -> None:
    """End with one sentence if this Python is too old or cannot make a virtual environment."""
    if sys.version_info < LOWEST:
        text = "concord: Python {}.{} is too old: Concord needs at least {}.{}. "
        sys.exit(text.format(*sys.version_info[:2], *LOWEST) + "Name another one: make PYTHON=python3.12")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        sys.exit(
            "concord: This Python has no venv module: install it (on Debian and Ubuntu: apt install "
            "python3-venv), or name another one: make PYTHON=python3.12"
        )


def make_venv() -> None:
    """Make `.venv`, unless its Python runs, is recent enough and has pip."""
    code = f"import sys, pip; sys.exit(sys.version_info < {LOWEST})"
    if run([PYTHON, "-c", code], stderr=subprocess.DEVNULL):
        return
    print("Making .venv with Python {}.{}.{}".format(*sys.version_info), flush=True)
    if not run([sys.executable, "-m", "venv", "--clear", str(VENV)]):
        sys.exit(f"concord: The folder {VENV} could not be made: make its parent writable.")


def install(lock: list[str]) -> None:
    """Install a lock by uv (three times as fast), by pip where uv fails; then the `concord` command."""
    print(f"Installing the packages of {lock[-1]} (once, some 100 MB)", flush=True)
    # uv ignores the system's certificate store, which may hold a company's own certificate, by default.
    env = {"UV_SYSTEM_CERTS": "1", **os.environ, "VIRTUAL_ENV": str(VENV)}
    quiet = [] if sys.stderr.isatty() else ["-q"]
    uv = [PYTHON, "-m", "uv", "pip", "install", *quiet, "--python", PYTHON, "--compile-bytecode", *lock]
    by_uv = pip(["--require-hashes", "-r", "requirements/setup.txt"]) and run(uv, env=env)
    # As a plain path entry: new packages are found without another installation, and imports stay quick.
    mode = ["--config-settings", "editable_mode=compat"]
    command = ["--no-deps", "--no-build-isolation", *mode, "-e", str(ROOT)]
    if not ((by_uv or pip(lock)) and pip(command)):
        sys.exit("concord: The packages could not be installed: check the network (PIP_INDEX_URL, PIP_CERT).")


def compile_modules() -> None:
    """Compile the modules of the project: with PYTHONDONTWRITEBYTECODE every start would do it again."""
    run([PYTHON, "-m", "compileall", "-q", *PACKAGES])


def pip(arguments: list[str]) -> bool:
    """Run `pip install`; if it fails, once more with the system's certificates. Return True on success."""
    command = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]
    paths = (ssl.get_default_verify_paths().cafile, *BUNDLES)
    bundle = next((path for path in paths if path and Path(path).is_file()), "")
    return run(command, stderr=subprocess.DEVNULL) or run(command, env={"PIP_CERT": bundle, **os.environ})


def run(command: list[str], env: dict[str, str] | None = None, stderr: int | None = None) -> bool:
    """Run a command in the checkout; return True if it succeeds."""
    try:
        return subprocess.run(command, cwd=str(ROOT), env=env, stderr=stderr).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

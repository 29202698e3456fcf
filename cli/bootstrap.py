"""Sets a checkout up: `.venv`, the locked packages, the `concord` command. Run by make, by any Python >= 3.7.

Standard library only, and nothing of this project: it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path

LOWEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "requirements"
STAMP = VENV / "concord-set-up.json"
ROOMS = ("apps", "cli", "migrations", "shared")
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def main() -> None:
    """Set up for `run` or `test`, whichever the command line names; does nothing where that was done."""
    wanted = sys.argv[1]
    if is_done(wanted):
        return
    check_interpreter()
    # A lock on the folder itself: two runs of make side by side set up once.
    handle = os.open(LOCKS, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    if is_done(wanted):
        return
    began = time.monotonic()
    make_venv()
    install_packages(wanted)
    install_command()
    compile_modules()
    # The test lock holds all of the run lock.
    STAMP.write_text(json.dumps({name: digest(name) for name in {"run", wanted}}))
    say(f"Set up in {time.monotonic() - began:.0f} s")


def check_interpreter() -> None:
    """End with a sentence where this Python is too old or cannot make a venv."""
    if sys.version_info < LOWEST:
        give_up(
            "Python {}.{} is too old: Concord needs at least {}.{}. ".format(*sys.version_info[:2], *LOWEST)
            + "Name another one: make PYTHON=python3.12"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        give_up(
            "This Python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv), "
            "or name another one: make PYTHON=python3.12"
        )


def digest(name: str) -> str:
    """What the installation for `run` or `test` depends on, in one word."""
    files = [LOCKS / (name + ".txt"), LOCKS / "setup.txt", ROOT / "pyproject.toml", Path(__file__)]
    content = b"\0".join(path.read_bytes() for path in files)
    return hashlib.sha256(content + str(ROOT).encode()).hexdigest()


def is_done(name: str) -> bool:
    """Whether the checkout is set up for `name`, from these very locks, at this very place."""
    try:
        return bool(json.loads(STAMP.read_text()).get(name) == digest(name)) and PYTHON.exists()
    except (OSError, ValueError):
        return False


def make_venv() -> None:
    """Make `.venv`, anew when the one that is there does not work."""
    if PYTHON.exists() and works():
        return
    say("Making .venv with Python {}.{}.{}".format(*sys.version_info[:3]))
    if VENV.exists():
        shutil.rmtree(VENV)
    try:
        run([sys.executable, "-m", "venv", str(VENV)])
    except (OSError, subprocess.CalledProcessError) as error:
        give_up(f"The folder {VENV} could not be made ({error}): make its parent writable.")


def works() -> bool:
    """Whether the Python of `.venv` runs, is recent enough and has pip."""
    code = f"import sys, pip; sys.exit(sys.version_info < {LOWEST})"
    try:
        return subprocess.run([str(PYTHON), "-c", code], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def install_packages(name: str) -> None:
    """Install a lock, by uv where it works (three times as fast), by pip where not."""
    lock = str(LOCKS / (name + ".txt"))
    say(f"Installing the packages of requirements/{name}.txt (once, some 100 MB)")
    quiet = [] if sys.stderr.isatty() else ["-q"]
    # Machines with a certificate of their own have it in the system's store, which uv ignores unless told.
    env = dict(os.environ, UV_SYSTEM_CERTS=os.environ.get("UV_SYSTEM_CERTS", "1"), VIRTUAL_ENV=str(VENV))
    command = [str(PYTHON), "-m", "uv", "pip", "install", *quiet, "--python", str(PYTHON)]
    try:
        pip("--require-hashes", "-r", str(LOCKS / "setup.txt"))
        run([*command, "--compile-bytecode", "--require-hashes", "-r", lock], env=env)
    except (OSError, subprocess.CalledProcessError):
        say("uv does not work here; pip does it, in about half a minute")
        try:
            pip("--require-hashes", "-r", lock)
        except subprocess.CalledProcessError:
            give_up(
                "The packages could not be installed: see above; check the network (PIP_INDEX_URL, PIP_CERT)."
            )


def install_command() -> None:
    """Install `.venv/bin/concord`, which runs the code of this checkout."""
    # As a plain path entry: new packages are found without another installation, and imports stay quick.
    mode = ["--config-settings", "editable_mode=compat"]
    pip("--no-deps", "--no-build-isolation", *mode, "-e", str(ROOT))


def compile_modules() -> None:
    """Compile this project's own modules: where PYTHONDONTWRITEBYTECODE is set, each start would do so."""
    subprocess.run([str(PYTHON), "-m", "compileall", "-q", *ROOMS], cwd=str(ROOT), check=False)


def pip(*arguments: str) -> None:
    """Run `pip install`; when it fails, once more with the system's certificates."""
    command = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]
    bundles = (ssl.get_default_verify_paths().cafile, *BUNDLES)
    bundle = next((path for path in bundles if path and Path(path).is_file()), "")
    if bundle and "PIP_CERT" not in os.environ:
        if subprocess.run(command, cwd=str(ROOT), stderr=subprocess.DEVNULL).returncode == 0:
            return
        run(command, env=dict(os.environ, PIP_CERT=bundle))
    else:
        run(command)


def run(command: list[str], env: dict[str, str] | None = None) -> None:
    """Run a command in the checkout; raises CalledProcessError when it fails."""
    subprocess.run(command, cwd=str(ROOT), env=env, check=True)


def say(text: str) -> None:
    """A line of progress."""
    print(text, flush=True)


def give_up(sentence: str) -> None:
    """End with one clear sentence."""
    sys.exit("concord: " + sentence)


if __name__ == "__main__":
    main()

"""The jars of Kafka: fetched once with jgo, checked by SHA-256, shared by all data folders."""

import fcntl
import hashlib
import logging
import os
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.embedded.kafka_jar_list import JARS, KAFKA_VERSION
from cli.errors import ConcordError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

DOWNLOADS_AT_ONCE = 8
ATTEMPTS = 3
REQUEST_TIMEOUT_S = 15

Say = Callable[[str], None]


class JarCache:
    """The folder of jars below `cache`; `ensure` makes it complete or raises ConcordError."""

    def __init__(self, cache: Path, jars: Mapping[str, str] = JARS, repository: str = "") -> None:
        self.cache = cache
        self.repository = repository
        self.folder = cache / f"kafka-{KAFKA_VERSION}"
        self._jars = jars

    def paths(self) -> list[Path]:
        """Return the paths of the jars in class path order, whether they exist or not."""
        return [self.folder / file_name(coordinate) for coordinate in self._jars]

    def bad(self) -> list[str]:
        """Return the coordinates of the jars that are missing or whose SHA-256 is not the listed one."""
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            intact = list(pool.map(self._is_intact, self._jars))
        return [coordinate for coordinate, is_intact in zip(self._jars, intact, strict=True) if not is_intact]

    def ensure(self, say: Say) -> list[Path]:
        """Fetch missing and damaged jars and return the class path; raise ConcordError if that fails."""
        if self.bad():
            with locked(self.cache, "jars.lock"):
                self._fetch_all(self.bad(), say)
        return self.paths()

    def _is_intact(self, coordinate: str) -> bool:
        path = self.folder / file_name(coordinate)
        return path.is_file() and sha256(path) == self._jars[coordinate]

    def _fetch_all(self, coordinates: list[str], say: Say) -> None:
        if not coordinates:  # another process fetched them while we waited for the lock
            return
        say(
            f"Fetching Kafka {KAFKA_VERSION}: {len(coordinates)} jars, 43 MB in all, once, into {self.folder}"
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=self.cache) as scratch, quiet_jgo():
            context = maven_context(Path(scratch), self.repository)
            with ThreadPoolExecutor(max_workers=DOWNLOADS_AT_ONCE) as pool:
                futures = [pool.submit(self._fetch, context, coordinate) for coordinate in coordinates]
                for number, future in enumerate(as_completed(futures), start=1):
                    if error := future.exception():
                        pool.shutdown(wait=False, cancel_futures=True)  # report the first one at once
                        raise error
                    if number % 10 == 0 or number == len(coordinates):
                        say(f"  {number} of {len(coordinates)} jars")

    def _fetch(self, context: "MavenContext", coordinate: str) -> None:
        group, artifact, version = coordinate.split(":")
        reason = ""
        for _ in range(ATTEMPTS):
            try:
                path = context.project(group, artifact).at_version(version).artifact().resolve()
            except Exception as error:  # noqa: BLE001 - jgo raises whatever lies below it, AssertionError too
                reason = f"{type(error).__name__}: {str(error)[:200]}"
                continue
            digest = sha256(path)
            if digest == self._jars[coordinate]:
                path.replace(self.folder / file_name(coordinate))
                return
            reason = f"its SHA-256 is {digest}, not {self._jars[coordinate]}"
            path.unlink()
        raise ConcordError(
            f"The jar {coordinate} could not be fetched from {self.repository or 'Maven Central'}: {reason}. "
            "Check the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE) or name a mirror by CONCORD_MAVEN_URL, "
            "and start again; the jars fetched so far are kept."
        )


def maven_context(scratch: Path, repository: str) -> "MavenContext":
    """Return a jgo context that stores below `scratch`; an empty `repository` means Maven Central."""
    trust_platform_certificates()
    from jgo.maven import MavenContext

    remote = {"mirror": repository.rstrip("/")} if repository else None
    return MavenContext(repo_cache=scratch, local_repos=[], remote_repos=remote, timeout=REQUEST_TIMEOUT_S)


def trust_platform_certificates() -> None:
    """Let requests use the machine's certificates if none are named: a company's own may be among them."""
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return
    bundles = [ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt"]
    bundles += ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
    bundle = next((path for path in bundles if path and Path(path).is_file()), None)
    if bundle:
        os.environ["REQUESTS_CA_BUNDLE"] = bundle


@contextmanager
def quiet_jgo() -> Iterator[None]:
    """Keep jgo's warnings off the terminal: failures are raised as ConcordError."""
    logger = logging.getLogger("jgo")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold an exclusive lock on `folder/name`, so that two starts do not fetch the same jars."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / name).open("w")
    except OSError as error:
        raise ConcordError(
            f"The cache folder {folder} cannot be written ({error.strerror}): "
            "set CONCORD_CACHE to one that can."
        ) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        delete_scratch_folders(folder)
        yield


def file_name(coordinate: str) -> str:
    """Return the jar's file name: `artifact-version.jar`."""
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def delete_scratch_folders(cache: Path) -> None:
    """Delete the scratch folders of fetches that were killed."""
    for folder in cache.glob("fetch-*"):
        shutil.rmtree(folder, ignore_errors=True)

"""Drives the load on files: each is several calls, and its bytes go to S3, so threads do it here.

A `file` is announced, sent to S3 and completed; a `thumbnail` is that with an image, and then its thumbnail
asked for, which is made by then or waited for. Counted is the whole, as one. What was made goes with the
stage's servers.
"""

import http.client
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from bench.api import Api, ApiError
from bench.job import Job, Operation, Result, Target

FILES = frozenset({Operation.FILE, Operation.THUMBNAIL})
TEXT = b"The engine weaves algebraic patterns. " * 500
SIDE = 1600
"""Pixels of the image's side."""


def run(job: Job) -> Result:
    """One run, with a thread for each in flight."""
    work = _Work(job)
    with ThreadPoolExecutor(job.in_flight) as pool:
        for done in [pool.submit(work.loop, worker) for worker in range(job.in_flight)]:
            done.result()
    return work.result()


class _Work:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._api = Api(job.host, job.port)
        self._is_image = job.operation is Operation.THUMBNAIL
        self._body = _image() if self._is_image else TEXT
        self._ends_at = time.perf_counter() + job.seconds
        self._lock = threading.Lock()
        self._statuses: Counter[str] = Counter()
        self._times_s: list[float] = []
        self._measured = 0
        self._failed = 0

    def loop(self, worker: int) -> None:
        """One file after the other until the time is over."""
        number = worker
        while (begun := time.perf_counter()) < self._ends_at:
            target = self._job.targets[number % len(self._job.targets)]
            number += self._job.in_flight
            try:
                self._share(target)
                status = "200"
            except ApiError as error:
                status = str(error).split(": ")[1][:3]
            except (OSError, http.client.HTTPException):
                status = ""
            self._note(status, begun)

    def result(self) -> Result:
        """Return the counters."""
        times = sorted(self._times_s) or [0.0]
        at = [times[min(len(times) - 1, int(len(times) * share))] * 1e6 for share in (0.5, 0.9, 0.99, 1.0)]
        return Result(
            driver="threads",
            seconds=self._job.seconds,
            measured=self._measured,
            statuses=dict(self._statuses),
            socket_errors=self._failed,
            p50_us=at[0],
            p90_us=at[1],
            p99_us=at[2],
            max_us=at[3],
        )

    def _share(self, target: Target) -> None:
        body = {
            "channelId": target.channel_id,
            "name": "bench",
            "size": len(self._body),
            "contentType": "image/jpeg" if self._is_image else "text/plain",
        }
        made = self._api.call("POST", "/api/files", token=target.token, body=body)
        _put(made["upload"], self._body)
        path = f"/api/files/{made['file']['id']}"
        self._api.call("POST", f"{path}/complete", token=target.token)
        if self._is_image:
            self._api.call("GET", f"{path}/thumbnail?size=320", token=target.token, expected=302)

    def _note(self, status: str, begun: float) -> None:
        ended = time.perf_counter()
        with self._lock:
            if not status:
                self._failed += 1
                return
            self._statuses[status] += 1
            self._times_s.append(ended - begun)
            self._measured += status == "200" and ended < self._ends_at


def _put(upload: dict[str, Any], body: bytes) -> None:
    place = urlsplit(upload["url"])
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=30)
    try:
        connection.request("PUT", f"{place.path}?{place.query}", body, upload["headers"])
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != 200:
        raise ApiError(f"PUT to S3: {status}")


def _image() -> bytes:
    """Return an image that compresses as a photograph does: scaled noise."""
    out = BytesIO()
    Image.effect_noise((SIDE // 8, SIDE // 8), 80).resize((SIDE, SIDE)).convert("RGB").save(out, "JPEG")
    return out.getvalue()

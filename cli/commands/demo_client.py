"""HTTP clients of the demo, with the standard library alone."""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from cli.errors import ConcordError

TIMEOUT_S = 15.0
_WAITS_MAX = 3
_WAIT_MAX_S = 30


class Person:
    """A user of the public HTTP API, who signs up first."""

    def __init__(self, base_url: str, name: str, email: str, password: str) -> None:
        self.name = name
        self._url = urlsplit(base_url)
        self._token = ""
        body = {"name": name, "email": email, "password": password}
        account = self.call("POST", "/api/auth/signup", body)
        self._token = account["accessToken"]
        self.profile: dict[str, Any] = account["profile"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the decoded response (None for 204); raise ConcordError with the detail of an error."""
        status, text, headers = self._request(method, path, body)
        for _ in range(_WAITS_MAX):
            retry_after_s = int(headers.get("retry-after") or 0)
            if status != 429 or retry_after_s > _WAIT_MAX_S:
                break
            time.sleep(retry_after_s)  # the demo was run several times in a minute
            status, text, headers = self._request(method, path, body)
        document = json.loads(text) if text else None
        if status >= 400:
            detail = document.get("detail") or document.get("title") if isinstance(document, dict) else ""
            raise ConcordError(f"{method} {path} was answered with {status}: {detail}")
        return document

    def redirect_target(self, path: str) -> str:
        """Return the target of a redirect; raise ConcordError for any other response."""
        status, _, headers = self._request("GET", path, None)
        if status != 302:
            raise ConcordError(f"GET {path} was answered with {status} and not with a redirect")
        return str(headers["location"])

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        secure = self._url.scheme == "https"
        connection_type = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connection_type(self._url.hostname or "localhost", self._url.port, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        except (OSError, http.client.HTTPException) as error:
            address = f"{self._url.scheme}://{self._url.netloc}"
            reason = f"{type(error).__name__}: {error}"
            raise ConcordError(
                f"No gateway answers at {address} ({reason}): start it with `concord up`."
            ) from error
        finally:
            connection.close()


def fetch(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    """Return the body of another server's response, such as S3's; raise ConcordError unless it is 200."""
    parts = urlsplit(url)
    connection_type = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connection_type(parts.hostname or "localhost", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ConcordError(f"The file storage does not answer at {parts.netloc}: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise ConcordError(f"The file storage answered {method} with {response.status}")
    return content

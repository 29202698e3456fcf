"""The requests whose walk is counted."""

import http.client
import secrets
from collections.abc import Callable

from bench.api import Api, ApiError

FILE_BYTES = 20_000
TEXT = "algebraic patterns! "


class Requests:
    """Requests of one person who has a server with a channel."""

    def __init__(self, port: int) -> None:
        self._api = Api("127.0.0.1", port)
        self._port = port
        self._token = self.sign_up()
        server = self._api.call("POST", "/api/servers", token=self._token, body={"name": "Walk"})
        self._channel: str = server["channels"][0]["id"]

    def all(self) -> dict[str, Callable[[], object]]:
        """Return each request by its name."""
        return {"send": self.send, "sign-up": self.sign_up, "upload of 20 kB": self.upload}

    def send(self) -> None:
        """Send a message."""
        body = {"content": "The engine weaves algebraic patterns.", "nonce": secrets.token_hex(8)}
        self._api.call("POST", f"/api/channels/{self._channel}/messages", token=self._token, body=body)

    def sign_up(self) -> str:
        """Make an account; return its access token."""
        name = f"walk-{secrets.token_hex(6)}"
        body = {"name": name, "email": f"{name}@example.org", "password": secrets.token_urlsafe(16)}
        token: str = self._api.call("POST", "/api/auth/signup", body=body)["accessToken"]
        return token

    def upload(self) -> None:
        """Upload a text through the gateway. Raises ApiError."""
        boundary = secrets.token_hex(16)
        parts = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="channelId"\r\n\r\n{self._channel}\r\n',
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n',
            f"Content-Type: text/plain\r\n\r\n{TEXT * (FILE_BYTES // len(TEXT))}\r\n--{boundary}--\r\n",
        )
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", "/api/files/upload", "".join(parts), headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status != 201:
            raise ApiError(f"POST /api/files/upload: {response.status} {text[:300]!r}")

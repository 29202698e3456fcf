"""People who use the public API."""

import secrets
from typing import Any

import httpx

PASSWORD = "correct horse battery"


class Person:
    """A person who is signed in. Each method returns the response as it is."""

    def __init__(self, http: httpx.Client, signed_in: dict[str, Any]) -> None:
        self._http = http
        self.profile: dict[str, Any] = signed_in["profile"]
        self.access_token: str = signed_in["accessToken"]
        self.refresh_token: str = signed_in["refreshToken"]

    @property
    def id(self) -> str:
        return str(self.profile["id"])

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.access_token}", **options.pop("headers", {})}
        return self._http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def make_server(self, name: str = "Engine") -> dict[str, Any]:
        """Create a server; return it with its channels."""
        response = self.post("/api/servers", json={"name": name})
        assert response.status_code == 201, response.text
        server: dict[str, Any] = response.json()
        return server

    def join(self, server: dict[str, Any]) -> None:
        """Join by the invite code of the server."""
        response = self.post(f"/api/invites/{server['inviteCode']}")
        assert response.status_code == 200, response.text

    def send(self, channel_id: str, content: str, **more: Any) -> httpx.Response:
        """Send a message."""
        return self.post(f"/api/channels/{channel_id}/messages", json={"content": content, **more})


def sign_up(http: httpx.Client, name: str = "Ada") -> Person:
    """Create an account with a new email address."""
    email = f"{name.lower()}-{secrets.token_hex(6)}@example.org"
    body = {"name": name, "email": email, "password": PASSWORD}
    response = http.post("/api/auth/signup", json=body)
    assert response.status_code == 201, response.text
    return Person(http, response.json())

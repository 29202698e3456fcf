"""Existing ids and values of a running Concord that replace those of generated requests."""

import base64
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import schemathesis
from schemathesis.core.parameters import ParameterLocation

from tests.e2e.people import PASSWORD, Person, sign_up

_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
GENERATED_EVERY = 3
"""One of this many cases of an operation keeps its generated ids."""

Case: TypeAlias = schemathesis.Case[Any]
Prepare = Callable[[Case], Person]


class Stage:
    """A server with members. Resources that a call deletes or consumes are created for each case."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._turns: Counter[str] = Counter()
        self.ada, self.bob, self._maker, self._eve = (
            sign_up(http, name) for name in ("Ada", "Bob", "Maker", "Eve")
        )
        self._password = PASSWORD
        self._again(self.ada)
        self.ada.make_server("Another")
        self._server = self.ada.make_server()
        self._path = f"/api/servers/{self._server['id']}"
        self._channel = self._server["channels"][0]["id"]
        self.bob.join(self._server)
        for number in range(3):
            assert self.ada.send(self._channel, f"message {number}").status_code == 201
            assert self.ada.post(f"{self._path}/channels", json={"name": "c", "type": "VIDEO"}).is_success
        self._ids = {
            "serverId": self._server["id"],
            "channelId": self._channel,
            "memberId": self.bob.id,
            "code": self._invite(),
            "messageId": self._message(),
            "fileId": self._file(),
        }
        self._callers = {"create.server": self._maker, "invite.accept": self.bob}
        self._own: dict[str, Prepare] = {
            "delete.server": self._own_server,
            "leave.server": self._own_membership,
            "channel.delete": lambda case: self._own_thing(case, "channelId", self._new_channel()),
            "member.remove": self._own_membership,
            "member.update": self._own_membership,
            "invite.revoke": lambda case: self._own_thing(case, "code", self._invite()),
            "message.delete": lambda case: self._own_thing(case, "messageId", self._message()),
            "file.complete": lambda case: self._own_thing(case, "fileId", self._uploaded_file()),
            "file.delete": lambda case: self._own_thing(case, "fileId", self._file()),
            "file.upload": self._own_form,
            "session.revoke": self._own_session,
            "user.signin": self._own_credentials,
            "user.refresh": self._own_refresh_token,
            "user.changePassword": self._own_password,
            "user.signout": lambda _: self._again(self.bob),
            "errors.explain": lambda case: self._own_thing(case, "code", "mesh.busy"),
            "docs.asset": lambda case: self._own_thing(case, "assetPath", "docs.js"),
        }

    def set_for(self, case: Case) -> Person:
        """Put existing ids into the valid parts of two cases in three; return the caller."""
        name = case.operation.definition.raw["operationId"]
        self._turns[name] += 1
        if _is_valid(case, ParameterLocation.BODY) and isinstance(case.body, dict):
            case.body = {name: _whole(value) for name, value in case.body.items()}
        keeps_ids = self._turns[name] % GENERATED_EVERY == 0
        if name == "file.create" and _is_valid(case, ParameterLocation.BODY):
            # Allowed types and sizes are settings, so no schema has them.
            more = {} if keeps_ids else {"channelId": self._channel}
            case.body = {**_object(case.body), "contentType": "image/png", "size": 9, **more}
        if not keeps_ids and _is_valid(case, ParameterLocation.PATH):
            for parameter in case.path_parameters.keys() & self._ids.keys():
                case.path_parameters[parameter] = self._ids[parameter]
        self._mend_query(case, keeps_ids)
        if name in self._own and (not keeps_ids or name in ("user.signout", "file.upload")):
            return self._own[name](case)
        return self._callers.get(name, self.ada)

    def note(self, case: Case, status: int) -> None:
        """Remember the new password if a call has changed it."""
        if case.operation.definition.raw["operationId"] == "user.changePassword" and status == 204:
            self._password = str(_object(case.body)["new"])

    def _mend_query(self, case: Case, keeps_ids: bool) -> None:
        """Apply the rules that a schema of a query cannot express: real cursors, and one bound only."""
        if not _is_valid(case, ParameterLocation.QUERY):
            return
        bounds = [name for name in ("before", "after", "around", "cursor") if name in case.query]
        for name in bounds[1:]:
            del case.query[name]
        if bounds and "messages" not in case.path:
            del case.query["cursor"]
            if not keeps_ids and (cursor := self._cursor_of(case)):
                case.query["cursor"] = cursor
        elif bounds and not keeps_ids:
            case.query[bounds[0]] = self._ids["messageId"]

    def _cursor_of(self, case: Case) -> str | None:
        """Return the `next` of the first page of a list, or None if there is one page."""
        response = self.ada.get(case.formatted_path, params={"limit": 1})
        cursor: str | None = response.json().get("next")
        return cursor

    def _own_thing(self, case: Case, parameter: str, value: str) -> Person:
        if _is_valid(case, ParameterLocation.PATH):
            case.path_parameters[parameter] = value
        return self.ada

    def _own_server(self, case: Case) -> Person:
        if not _is_valid(case, ParameterLocation.PATH):
            return self.ada
        return self._own_thing(case, "serverId", self.ada.make_server()["id"])

    def _own_membership(self, case: Case) -> Person:
        """Make Bob a member again: the case makes Bob leave, or Ada remove Bob."""
        self.bob.join(self.ada.get(self._path).json())
        return self.bob if case.path.endswith("/leave") else self.ada

    def _own_session(self, case: Case) -> Person:
        again = self._again(self.bob)
        sessions = again.get("/api/auth/sessions").json()["items"]
        (own,) = (session["id"] for session in sessions if session["current"])
        self._own_thing(case, "revokedId", own)
        return self.bob

    def _own_credentials(self, case: Case) -> Person:
        if _is_valid(case, ParameterLocation.BODY):
            case.body = {"email": self.bob.profile["email"], "password": PASSWORD}
        return self.bob

    def _own_refresh_token(self, case: Case) -> Person:
        if _is_valid(case, ParameterLocation.BODY):
            case.body = {"refreshToken": self._again(self.bob).refresh_token}
        return self.bob

    def _own_password(self, case: Case) -> Person:
        if _is_valid(case, ParameterLocation.BODY):
            case.body = {**_object(case.body), "current": self._password}
        return self._eve

    def _again(self, person: Person) -> Person:
        """Return the same person in a new session."""
        body = {"email": person.profile["email"], "password": PASSWORD}
        return Person(self._http, self._http.post("/api/auth/signin", json=body).raise_for_status().json())

    def _invite(self) -> str:
        return self._created(self.ada.post(f"{self._path}/invites", json={}))["code"]  # type: ignore[no-any-return]

    def _message(self) -> str:
        return self._created(self.ada.send(self._channel, secrets.token_hex(4)))["id"]  # type: ignore[no-any-return]

    def _own_form(self, case: Case) -> Person:
        """Replace a generated file, which has neither the name nor the type that a form needs."""
        if _is_valid(case, ParameterLocation.BODY):
            case.body = {"channelId": self._channel, "file": "tea"}
        return self.ada

    def _file(self) -> str:
        form: dict[str, Any] = {
            "data": {"channelId": self._channel},
            "files": {"file": ("a", _PNG, "image/png")},
        }
        return self._created(self.ada.post("/api/files/upload", **form))["id"]  # type: ignore[no-any-return]

    def _uploaded_file(self) -> str:
        body = {"channelId": self._channel, "name": "a", "size": len(_PNG), "contentType": "image/png"}
        file = self._created(self.ada.post("/api/files", json=body))
        httpx.put(file["upload"]["url"], headers=file["upload"]["headers"], content=_PNG).raise_for_status()
        return file["file"]["id"]  # type: ignore[no-any-return]

    def _new_channel(self) -> str:
        response = self.ada.post(f"{self._path}/channels", json={"name": "c", "type": "TEXT"})
        return self._created(response)["id"]  # type: ignore[no-any-return]

    def _created(self, response: httpx.Response) -> dict[str, Any]:
        created: dict[str, Any] = response.raise_for_status().json()
        return created


def _is_valid(case: Case, location: ParameterLocation) -> bool:
    """Return True if this part of the request is valid by its schema."""
    return case.meta is None or not case.meta.is_negative_at(location)


def _whole(value: Any) -> Any:
    """Return 1 for 1.0: an integer in JSON Schema, but not for most JSON parsers, ours included."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _object(body: Any) -> dict[str, Any]:
    assert isinstance(body, dict)
    return body

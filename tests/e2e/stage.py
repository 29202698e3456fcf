"""Things that exist in a running Concord, put into generated requests in place of what is made up."""

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
MADE_UP_EVERY = 3
"""Of so many cases of an operation one keeps the ids that were made up."""

Case: TypeAlias = schemathesis.Case[Any]
Prepare = Callable[[Case], Person]


class Stage:
    """A server with people in it. What a call would end or use up is made anew for each case."""

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
        """Put real things into the valid parts of two cases in three; returns who is to call."""
        name = case.operation.definition.raw["operationId"]
        self._turns[name] += 1
        if _is_valid(case, ParameterLocation.BODY) and isinstance(case.body, dict):
            case.body = {name: _whole(value) for name, value in case.body.items()}
        made_up = self._turns[name] % MADE_UP_EVERY == 0
        if name == "file.create" and _is_valid(case, ParameterLocation.BODY):
            # Which types and sizes are taken is a setting, so no schema tells it.
            more = {} if made_up else {"channelId": self._channel}
            case.body = {**_object(case.body), "contentType": "image/png", "size": 9, **more}
        if not made_up and _is_valid(case, ParameterLocation.PATH):
            for parameter in case.path_parameters.keys() & self._ids.keys():
                case.path_parameters[parameter] = self._ids[parameter]
        self._mend_query(case, made_up)
        if name in self._own and (not made_up or name in ("user.signout", "file.upload")):
            return self._own[name](case)
        return self._callers.get(name, self.ada)

    def note(self, case: Case, status: int) -> None:
        """Keep up with what a call changed."""
        if case.operation.definition.raw["operationId"] == "user.changePassword" and status == 204:
            self._password = str(_object(case.body)["new"])

    def _mend_query(self, case: Case, made_up: bool) -> None:
        """What the schema of a query can not say: cursors were given before, and one bound is enough."""
        if not _is_valid(case, ParameterLocation.QUERY):
            return
        bounds = [name for name in ("before", "after", "around", "cursor") if name in case.query]
        for name in bounds[1:]:
            del case.query[name]
        if bounds and "messages" not in case.path:
            del case.query["cursor"]
            if not made_up and (cursor := self._cursor_of(case)):
                case.query["cursor"] = cursor
        elif bounds and not made_up:
            case.query[bounds[0]] = self._ids["messageId"]

    def _cursor_of(self, case: Case) -> str | None:
        """The `next` of the first page of a list, if there is more than one."""
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
        """Bob is in the server again: he leaves by himself, or Ada removes him."""
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
        """The same person in a session of its own."""
        body = {"email": person.profile["email"], "password": PASSWORD}
        return Person(self._http, self._http.post("/api/auth/signin", json=body).raise_for_status().json())

    def _invite(self) -> str:
        return self._made(self.ada.post(f"{self._path}/invites", json={}))["code"]  # type: ignore[no-any-return]

    def _message(self) -> str:
        return self._made(self.ada.send(self._channel, secrets.token_hex(4)))["id"]  # type: ignore[no-any-return]

    def _own_form(self, case: Case) -> Person:
        """What is made up for a file has no name and no type, which a form takes from elsewhere."""
        if _is_valid(case, ParameterLocation.BODY):
            case.body = {"channelId": self._channel, "file": "tea"}
        return self.ada

    def _file(self) -> str:
        form: dict[str, Any] = {
            "data": {"channelId": self._channel},
            "files": {"file": ("a", _PNG, "image/png")},
        }
        return self._made(self.ada.post("/api/files/upload", **form))["id"]  # type: ignore[no-any-return]

    def _uploaded_file(self) -> str:
        body = {"channelId": self._channel, "name": "a", "size": len(_PNG), "contentType": "image/png"}
        made = self._made(self.ada.post("/api/files", json=body))
        httpx.put(made["upload"]["url"], headers=made["upload"]["headers"], content=_PNG).raise_for_status()
        return made["file"]["id"]  # type: ignore[no-any-return]

    def _new_channel(self) -> str:
        response = self.ada.post(f"{self._path}/channels", json={"name": "c", "type": "TEXT"})
        return self._made(response)["id"]  # type: ignore[no-any-return]

    def _made(self, response: httpx.Response) -> dict[str, Any]:
        made: dict[str, Any] = response.raise_for_status().json()
        return made


def _is_valid(case: Case, location: ParameterLocation) -> bool:
    """Whether this part of the request keeps to its schema."""
    return case.meta is None or not case.meta.is_negative_at(location)


def _whole(value: Any) -> Any:
    """JSON Schema takes 1.0 for an integer; most readers of JSON, ours too, do not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _object(body: Any) -> dict[str, Any]:
    assert isinstance(body, dict)
    return body

"""Histories, edits and deletes through the public API."""

from collections.abc import Callable
from typing import Any

from tests.e2e.people import Person


def _contents(answer: Any) -> list[str]:
    return [message["content"] for message in answer.json()["items"]]


def test_pages_before_after_and_around_a_message(person: Callable[..., Person]) -> None:
    ada = person()
    channel = ada.make_server()["channels"][0]["id"]
    path = f"/api/channels/{channel}/messages"
    ids = [ada.send(channel, str(number)).json()["id"] for number in range(10)]

    def page(**query: Any) -> list[str]:
        return _contents(ada.get(path, params=query))

    assert page(limit=3) == ["9", "8", "7"]
    assert page(limit=3, before=ids[5]) == ["4", "3", "2"]
    assert page(limit=3, after=ids[5]) == ["8", "7", "6"]
    assert page(limit=3, around=ids[5]) == ["6", "5", "4"]
    assert ada.delete(f"{path}/{ids[5]}").status_code == 204
    assert page(limit=3, before=ids[5]) == ["4", "3", "2"]
    assert page(limit=100) == ["9", "8", "7", "6", "4", "3", "2", "1", "0"]

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 4}
    while True:
        answer = ada.get(path, params=query)
        seen += _contents(answer)
        if answer.json()["next"] is None:
            break
        query["cursor"] = answer.json()["next"]
    assert seen == page(limit=100)
    assert ada.send(channel, "next").json()["sequence"] == 11


def test_edit_and_delete(person: Callable[..., Person]) -> None:
    ada, bob = person("Ada"), person("Bob")
    server = ada.make_server()
    channel = server["channels"][0]["id"]
    bob.join(server)
    sent = ada.send(channel, "helo").json()
    path = f"/api/channels/{channel}/messages/{sent['id']}"
    assert bob.patch(path, json={"content": "mine"}).json()["code"] == "permission.denied"
    edited = ada.patch(path, json={"content": " hello "})
    assert (edited.status_code, edited.json()["content"]) == (200, "hello")
    assert edited.json()["editedAt"] is not None
    assert bob.get(path).json() == edited.json()
    assert ada.delete(path).status_code == 204
    assert ada.delete(path).status_code == 404
    assert bob.get(path).json()["code"] == "message.not_found"

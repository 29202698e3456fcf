"""Servers, channels, members and invites through the public API."""

import time
from collections.abc import Callable

from tests.e2e.people import Person


def test_a_server_lives_and_goes(person: Callable[..., Person]) -> None:
    ada, bob = person("Ada"), person("Bob")
    server = ada.make_server()
    path = f"/api/servers/{server['id']}"
    bob.join(server)
    assert bob.patch(path, json={"name": "Mine"}).json()["code"] == "permission.denied"
    assert ada.patch(path, json={"name": "Ours"}).json()["name"] == "Ours"
    voice = ada.post(f"{path}/channels", json={"name": "Voice", "type": "AUDIO"}).json()
    assert {channel["name"] for channel in bob.get(path).json()["channels"]} == {"general", "Voice"}
    _until(lambda: ada.send(voice["id"], "hello").json()["code"] == "channel.not_text")
    assert [member["name"] for member in bob.get(f"{path}/members").json()["items"]] == ["Ada", "Bob"]
    assert ada.post(f"{path}/leave").json()["code"] == "server.owner_cannot_leave"
    assert bob.post(f"{path}/leave").status_code == 204
    assert bob.get(path).status_code == 404
    assert ada.delete(path).status_code == 204
    general = server["channels"][0]["id"]
    assert ada.get(f"/api/channels/{general}").status_code == 404
    _until(lambda: ada.send(general, "anybody?").status_code == 404)


def test_who_just_joined_may_post_at_once(person: Callable[..., Person]) -> None:
    server = person("Ada").make_server()
    channel = server["channels"][0]["id"]
    for number in range(5):
        guest = person(f"Guest{number}")
        guest.join(server)
        assert guest.send(channel, "hello").status_code == 201


def test_who_was_kicked_may_not_post_within_two_seconds(person: Callable[..., Person]) -> None:
    ada, bob = person("Ada"), person("Bob")
    server = ada.make_server()
    channel = server["channels"][0]["id"]
    bob.join(server)
    assert bob.send(channel, "I am here").status_code == 201
    assert ada.delete(f"/api/servers/{server['id']}/members/{bob.id}").status_code == 204
    kicked_at = time.monotonic()
    _until(lambda: bob.send(channel, "still?").status_code == 404, seconds=2)
    assert time.monotonic() - kicked_at < 2
    assert bob.get(f"/api/channels/{channel}/messages").status_code == 404
    bob.join(server)
    assert bob.send(channel, "back").status_code == 201


def test_a_moderator_deletes_what_others_wrote(person: Callable[..., Person]) -> None:
    ada, bob, eve = person("Ada"), person("Bob"), person("Eve")
    server = ada.make_server()
    channel = server["channels"][0]["id"]
    bob.join(server)
    eve.join(server)
    message = f"/api/channels/{channel}/messages/{eve.send(channel, 'spam').json()['id']}"
    assert bob.delete(message).json()["code"] == "permission.denied"
    role = ada.patch(f"/api/servers/{server['id']}/members/{bob.id}", json={"role": "MODERATOR"})
    assert role.json()["role"] == "MODERATOR"
    assert bob.delete(message).status_code == 204
    assert eve.get(message).json()["code"] == "message.not_found"


def test_invites_run_out(person: Callable[..., Person]) -> None:
    ada, bob, eve = person("Ada"), person("Bob"), person("Eve")
    server = ada.make_server()
    path = f"/api/servers/{server['id']}"
    code = ada.post(f"{path}/invites", json={"maxUses": 1}).json()["code"]
    assert bob.get(f"/api/invites/{code}").json()["serverName"] == server["name"]
    assert bob.post(f"/api/invites/{code}").json()["id"] == server["id"]
    assert bob.post(f"/api/invites/{code}").status_code == 200
    late = eve.post(f"/api/invites/{code}")
    assert (late.status_code, late.json()["code"]) == (410, "invite.expired")
    standing = ada.post(f"{path}/invite-code").json()["inviteCode"]
    assert eve.post(f"/api/invites/{server['inviteCode']}").status_code == 404
    assert eve.post(f"/api/invites/{standing}").status_code == 200


def _until(holds: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)

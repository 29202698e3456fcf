"""Files through the gateway, the file service's own port and S3, as clients use them."""

import base64
import hashlib
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.e2e.concord import Concord
from tests.e2e.files import PNG, Bucket, Room, code, picture, put
from tests.support.polling import eventually

MOST = 25 * 2**20
QUOTA = 2**30


def test_a_file_is_shared_by_way_of_s3(room: Room) -> None:
    made = room.announce(name="Tee für zwei.png")
    assert made.status_code == 201, made.text
    file, upload = made.json()["file"], made.json()["upload"]
    assert (file["status"], file["size"], upload["method"]) == ("PENDING", len(PNG), "PUT")
    path = f"/api/files/{file['id']}"
    assert room.ada.get(path).json() == file
    assert code(room.ben.get(path)) == (404, "file.not_found")
    assert code(room.ada.get(f"{path}/content")) == (404, "file.not_found")
    assert code(room.ada.post(f"{path}/complete")) == (409, "file.not_uploaded")

    assert put(made.json(), PNG).status_code == 200
    assert code(room.ben.post(f"{path}/complete")) == (404, "file.not_found")
    done = room.ada.post(f"{path}/complete")
    assert (done.status_code, done.json()) == (200, {**file, "status": "COMPLETE"})
    assert room.ada.post(f"{path}/complete").json() == done.json()
    assert room.ben.get(path).json() == done.json()

    download = room.ben.get(f"{path}/content")
    assert (download.status_code, download.content) == (302, b"")
    answer = httpx.get(download.headers["location"])
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    assert answer.headers["content-disposition"].startswith('attachment; filename="Tee f_r zwei.png"')
    assert "UTF-8''Tee%20f%C3%BCr%20zwei.png" in answer.headers["content-disposition"]
    for query in ("inline", "inline=true"):
        inline = httpx.get(room.ben.get(f"{path}/content?{query}").headers["location"])
        assert inline.headers["content-disposition"].startswith("inline")

    for method, rest in (("GET", ""), ("GET", "/content"), ("POST", "/complete"), ("DELETE", "")):
        assert code(room.eve.request(method, path + rest)) == (404, "file.not_found")
    assert code(room.ben.delete(path)) == (403, "permission.denied")
    assert room.ada.delete(path).status_code == 204
    assert code(room.ada.get(path)) == (404, "file.not_found")
    assert code(room.ada.delete(path)) == (404, "file.not_found")


def test_s3_takes_only_what_was_announced(room: Room) -> None:
    made = room.announce().json()
    assert put(made, PNG + b"x", **{"Content-Length": str(len(PNG) + 1)}).status_code == 403
    assert put(made, PNG, **{"Content-Type": "text/html"}).status_code == 403
    assert put(made, PNG).status_code == 200  # the same address, and nothing else is wrong with it
    digest = base64.b64encode(hashlib.sha256(PNG).digest()).decode()
    made = room.announce(sha256=digest).json()
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    assert put(made, PNG, **{"x-amz-checksum-sha256": other}).status_code == 403
    assert put(made, bytes(len(PNG))).status_code == 400  # not the announced bytes
    assert put(made, PNG).status_code == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("image/png", b"<!DOCTYPE html><html><script>alert(1)</script></html>"),
        ("image/png", picture(kind="GIF")),
        ("text/plain", b"MZ\x90\0" + bytes(100)),
        ("text/plain", b"<!DOCTYPE html><html></html>"),
        ("application/zip", PNG),
    ],
)
def test_bytes_of_another_type_are_deleted(room: Room, bucket: Bucket, kind: str, body: bytes) -> None:
    made = room.announce(body, contentType=kind).json()
    assert put(made, body).status_code == 200
    assert bucket.keys(made["file"]["id"]) == [f"uploads/{made['file']['id']}"]
    path = f"/api/files/{made['file']['id']}"
    assert code(room.ada.post(f"{path}/complete")) == (415, "file.type_not_allowed")
    assert code(room.ada.get(path)) == (404, "file.not_found")
    eventually(lambda: bucket.keys(made["file"]["id"]) == [])
    assert code(room.upload(body, kind)) == (415, "file.type_not_allowed")


def test_an_upload_url_cannot_change_a_complete_file(room: Room) -> None:
    made = room.announce().json()
    put(made, PNG).raise_for_status()
    path = f"/api/files/{made['file']['id']}"
    assert room.ada.post(f"{path}/complete").status_code == 200
    evil = b"<html>".ljust(len(PNG))
    assert put(made, evil).status_code == 200  # the URL has not expired
    assert room.ada.post(f"{path}/complete").status_code == 200
    assert httpx.get(room.ada.get(f"{path}/content").headers["location"]).content == PNG


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "../../etc/passwd"}, (400, "validation.failed")),
        ({"name": "a\nb.png"}, (400, "validation.failed")),
        ({"name": "a\u202egnp.exe"}, (400, "validation.failed")),
        ({"name": " "}, (400, "validation.failed")),
        ({"name": ".."}, (400, "validation.failed")),
        ({"name": "x" * 256}, (400, "validation.failed")),
        ({"size": 0}, (400, "validation.failed")),
        ({"size": 30 * 2**20}, (413, "file.too_large")),
        ({"contentType": "text/html"}, (415, "file.type_not_allowed")),
        ({"contentType": "image/png\r\nx: y"}, (400, "validation.failed")),
        ({"sha256": "short"}, (400, "validation.failed")),
    ],
)
def test_invalid_announcements(room: Room, changes: dict[str, Any], expected: tuple[int, str]) -> None:
    assert code(room.announce(**changes)) == expected


def test_only_members_announce(room: Room) -> None:
    file = {"channelId": room.channel, "name": "a.png", "size": 1, "contentType": "image/png"}
    assert code(room.eve.post("/api/files", json=file)) == (404, "channel.not_found")
    room.ada.delete(f"/api/channels/{room.channel}").raise_for_status()
    eventually(lambda: room.announce().status_code == 404)


def test_the_same_key_announces_once(room: Room) -> None:
    file = {"channelId": room.channel, "name": "a.png", "size": 9, "contentType": "image/png"}
    headers = {"Idempotency-Key": room.channel}
    one, two = (room.ada.post("/api/files", json=file, headers=headers).json() for _ in range(2))
    assert one["file"] == two["file"]
    assert put(two, b"x" * 9).status_code == 200
    # The URL is signed for each response: it is not stored.
    for made in (one, two):
        assert made["upload"].pop("url").partition("?")[0].endswith(f"/uploads/{made['file']['id']}")
    assert one == two
    other = room.ada.post("/api/files", json={**file, "size": 10}, headers=headers)
    assert code(other) == (409, "idempotency.mismatch")


@pytest.mark.parametrize("size", [1, 5 * 2**20 - 1, 5 * 2**20, 12 * 2**20 + 17])
def test_a_file_is_uploaded_through_the_gateway(room: Room, size: int) -> None:
    body = (PNG + b"\0" * size)[: max(size, len(PNG))]
    done = room.upload(body)
    assert done.status_code == 201, done.text
    file = done.json()
    assert (file["status"], file["size"], file["name"]) == ("COMPLETE", len(body), "tea.png")
    download = room.ben.get(f"/api/files/{file['id']}/content")
    assert httpx.get(download.headers["location"]).content == body


def test_a_file_is_uploaded_at_the_port_of_the_file_service(room: Room, concord: Concord) -> None:
    url = f"http://127.0.0.1:{concord.environ['FILE_PORT']}/api/files/upload"
    form: dict[str, Any] = {
        "data": {"channelId": room.channel},
        "files": {"file": ("a.txt", b"tea", "text/plain")},
    }
    headers = {"Authorization": f"Bearer {room.ben.access_token}", "X-Correlation-Id": "of-mine"}
    done = httpx.post(url, headers=headers, **form)
    assert done.status_code == 201, done.text
    assert done.headers["x-correlation-id"] == "of-mine"
    assert room.ada.get(f"/api/files/{done.json()['id']}").json() == done.json()
    content = f"{url.removesuffix('/upload')}/{done.json()['id']}/content"
    download = httpx.get(content, headers=headers)
    assert (download.status_code, httpx.get(download.headers["location"]).content) == (302, b"tea")
    stranger = {"Authorization": f"Bearer {room.eve.access_token}"}
    assert code(httpx.get(content, headers=stranger)) == (404, "file.not_found")
    assert code(httpx.get(content)) == (401, "token.missing")
    assert code(httpx.get(f"{url}x/content", headers=headers)) == (400, "validation.failed")
    assert code(httpx.post(url, **form)) == (401, "token.missing")
    assert code(httpx.post(url, headers={"Authorization": "Bearer x"}, **form)) == (401, "token.invalid")
    assert code(httpx.get(url)) == (405, "method.not_allowed")
    assert code(httpx.get(url + "s")) == (404, "route.unknown")


def test_rejected_uploads(room: Room) -> None:
    assert code(room.upload(b"")) == (400, "validation.failed")
    assert code(room.upload(PNG + bytes(26 * 2**20))) == (413, "file.too_large")
    assert code(room.upload(PNG, "text/html")) == (415, "file.type_not_allowed")
    assert code(room.upload(PNG, name="..")) == (400, "validation.failed")
    path = "/api/files/upload"
    assert code(room.ada.post(path, json={})) == (415, "media_type.unsupported")
    only = room.ada.post(path, files={"channelId": (None, room.channel)})
    assert code(only) == (400, "validation.failed")
    late = room.ada.post(path, files=[("file", ("a", PNG, "image/png")), ("channelId", (None, room.channel))])
    assert late.json()["errors"][0]["path"] == "channelId"
    elsewhere = room.eve.post(path, data={"channelId": room.channel}, files={"file": ("a", PNG, "image/png")})
    assert code(elsewhere) == (404, "channel.not_found")


def test_a_name_with_a_path_keeps_its_last_part(room: Room) -> None:
    assert room.upload(name="C:\\fakepath\\tea.png").json()["name"] == "tea.png"
    assert room.upload(name="../../etc/tea\u202e.png").json()["name"] == "tea.png"


def test_an_interrupted_upload_leaves_nothing(room: Room, gateway_url: str, concord: Concord) -> None:
    def broken() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="channelId"\r\n\r\n' + room.channel.encode()
        yield b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        yield b"Content-Type: image/png\r\n\r\n" + PNG
        for _ in range(60):
            yield bytes(100_000)
        raise ConnectionAbortedError

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for url in (gateway_url, f"http://127.0.0.1:{concord.environ['FILE_PORT']}"):
        with pytest.raises(ConnectionAbortedError):
            httpx.post(
                f"{url}/api/files/upload",
                headers={**headers, "Authorization": f"Bearer {room.ada.access_token}"},
                content=broken(),
                timeout=15,
            )
    whole = b"".join(part for part, _ in zip(broken(), range(5), strict=False))
    cut = room.ada.post("/api/files/upload", headers=headers, content=whole)
    assert code(cut) == (400, "body.malformed")
    assert room.upload().status_code == 201


def test_thumbnails_of_an_image(room: Room) -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the right side is up
    exif[0x010E] = "where I live"
    Image.new("RGB", (1200, 900), "teal").save(out, "JPEG", exif=exif)
    file = room.share(out.getvalue(), contentType="image/jpeg")
    path = f"/api/files/{file['id']}/thumbnail"
    for size, expected in ((96, (96, 96)), (320, (240, 320)), (640, (480, 640)), (800, (600, 800))):
        download = room.ben.get(path, params={"size": size})
        assert download.status_code == 302, download.text
        answer = httpx.get(download.headers["location"])
        assert answer.headers["content-type"] == "image/webp"
        with Image.open(io.BytesIO(answer.content)) as thumbnail:
            assert thumbnail.size == expected
            assert not thumbnail.getexif()
        assert b"where I live" not in answer.content
    assert room.ben.get(path).headers["location"].count("/320.webp") == 1
    assert code(room.eve.get(path)) == (404, "file.not_found")
    assert code(room.ben.get(path, params={"size": 100})) == (400, "validation.failed")
    room.ada.delete(f"/api/files/{file['id']}").raise_for_status()
    eventually(lambda: httpx.get(download.headers["location"]).status_code == 404)


def test_files_without_thumbnails(room: Room) -> None:
    text = room.share(b"tea", contentType="text/plain", name="a.txt")
    broken = room.share(PNG[: len(PNG) // 2])
    header = io.BytesIO()
    Image.new("1", (8000, 8000)).save(header, "PNG")  # 64 megapixels in some kilobytes
    for file in (text, broken, room.share(header.getvalue())):
        got = room.ben.get(f"/api/files/{file['id']}/thumbnail")
        assert code(got) == (404, "file.no_thumbnail")


def test_a_message_shows_its_files_until_they_are_deleted(room: Room) -> None:
    file, other = room.share(), room.share(name="other.png")
    path = f"/api/channels/{room.channel}/messages"
    sent = room.ada.send(room.channel, "look", attachments=[file["id"], other["id"]])
    assert sent.status_code == 201, sent.text
    listed = [
        {key: attached[key] for key in ("id", "name", "size", "contentType")} for attached in (file, other)
    ]
    assert sent.json()["attachments"] == listed
    assert room.ben.get(path).json()["items"][0]["attachments"] == listed
    assert code(room.ben.send(room.channel, "mine", attachments=[file["id"]])) == (404, "file.not_found")
    eleven = room.ada.send(room.channel, "many", attachments=[file["id"]] * 11)
    assert code(eleven) == (400, "validation.failed")
    assert code(room.ada.send(room.channel, "x", attachments=["x"])) == (400, "validation.failed")
    pending = room.announce().json()["file"]["id"]
    assert code(room.ada.send(room.channel, "early", attachments=[pending])) == (404, "file.not_found")
    room.ada.delete(f"/api/files/{file['id']}").raise_for_status()
    eventually(lambda: room.ben.get(path).json()["items"][0]["attachments"] == listed[1:])


def test_a_message_shows_ten_files_and_not_eleven(room: Room) -> None:
    files = [room.upload(name=f"{number}.png").json()["id"] for number in range(11)]
    path = f"/api/channels/{room.channel}/messages"
    eleven = room.ada.send(room.channel, "eleven", attachments=files)
    assert code(eleven) == (400, "validation.failed")
    assert [error["path"] for error in eleven.json()["errors"]] == ["attachments"]
    assert room.ben.get(path).json()["items"] == []
    ten = room.ada.send(room.channel, "ten", attachments=files[:10])
    assert ten.status_code == 201, ten.text
    assert [attached["id"] for attached in ten.json()["attachments"]] == files[:10]
    assert room.ben.get(path).json()["items"] == [ten.json()]


def test_a_file_of_the_largest_size_is_accepted_and_a_larger_one_is_not(room: Room) -> None:
    assert room.announce(size=MOST).status_code == 201
    assert code(room.announce(size=MOST + 1)) == (413, "file.too_large")
    whole = PNG + bytes(MOST - len(PNG))
    done = room.upload(whole)
    assert (done.status_code, done.json()["size"]) == (201, MOST)
    assert code(room.upload(whole + b"x")) == (413, "file.too_large")
    assert code(room.upload(whole + bytes(2**20))) == (413, "file.too_large")


def test_a_person_has_a_quota(room: Room) -> None:
    waiting = [room.announce(size=MOST) for _ in range(QUOTA // MOST)]
    waiting.append(room.announce(size=QUOTA % MOST))
    assert {made.status_code for made in waiting} == {201}
    assert code(room.announce(size=1)) == (409, "quota.exceeded")
    assert code(room.upload()) == (409, "quota.exceeded")
    deleted = waiting[-1].json()
    room.ada.delete(f"/api/files/{deleted['file']['id']}").raise_for_status()
    assert code(room.announce(size=1)) == (409, "quota.exceeded")  # its URL still accepts bytes
    file = {"channelId": room.channel, "name": "a.png", "size": 1, "contentType": "image/png"}
    assert room.ben.post("/api/files", json=file).status_code == 201  # Ben has an own quota


def test_files_of_a_removed_member(room: Room, bucket: Bucket) -> None:
    """Shared files stay, the removed member cannot read them, and pending files are never shared."""
    file = {"channelId": room.channel, "name": "b.png", "size": len(PNG), "contentType": "image/png"}
    shared, waiting = (room.ben.post("/api/files", json=file).json() for _ in range(2))
    for made in (shared, waiting):
        put(made, PNG).raise_for_status()
    path = f"/api/files/{shared['file']['id']}"
    room.ben.post(f"{path}/complete").raise_for_status()
    room.ada.delete(f"/api/servers/{room.server['id']}/members/{room.ben.id}").raise_for_status()
    eventually(lambda: room.ben.get(path).status_code == 404)
    assert room.ada.get(path).status_code == 200
    assert code(room.ben.get(f"{path}/content")) == (404, "file.not_found")
    late = f"/api/files/{waiting['file']['id']}"
    assert code(room.ben.post(f"{late}/complete")) == (404, "file.not_found")
    assert code(room.ada.get(late)) == (404, "file.not_found")
    assert bucket.keys(waiting["file"]["id"]) == [f"uploads/{waiting['file']['id']}"]  # until it is overdue
    assert code(room.ben.delete(path)) == (404, "file.not_found")
    room.ada.delete(path).raise_for_status()
    eventually(lambda: bucket.keys(shared["file"]["id"]) == [])


def test_files_are_deleted_with_their_channel(room: Room) -> None:
    file = room.share()
    address = room.ada.get(f"/api/files/{file['id']}/content").headers["location"]
    room.ada.delete(f"/api/channels/{room.channel}").raise_for_status()
    eventually(lambda: room.ada.get(f"/api/files/{file['id']}").status_code == 404)
    eventually(lambda: httpx.get(address).status_code == 404)

"""The documents that the gateway serves are valid, complete, and agree with the broker and the API."""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import jsonschema
import pytest
import schemathesis

from shared.contracts.errors import CATALOGUE
from tests.e2e.concord import Concord, topics_of
from tests.e2e.people import Person

ASYNCAPI_SCHEMA = Path(__file__).resolve().parents[1] / "data/asyncapi/3.0.0.json"
REPLIES = re.compile(r"[a-z-]+\.replies\.")
PAGES = ("/api/docs", "/api/asyncapi", "/api/errors", *(f"/api/errors/{code}" for code in CATALOGUE))
IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""")


@pytest.fixture(scope="module")
def openapi(gateway_url: str) -> dict[str, Any]:
    return _document(gateway_url, "/api/openapi.json")


@pytest.fixture(scope="module")
def asyncapi(gateway_url: str) -> dict[str, Any]:
    return _document(gateway_url, "/api/asyncapi.json")


def _document(gateway_url: str, path: str) -> dict[str, Any]:
    response = httpx.get(f"{gateway_url}{path}", timeout=30)
    assert response.headers["content-type"] == "application/json"
    document: dict[str, Any] = response.raise_for_status().json()
    return document


def test_openapi_is_valid(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(openapi).validate()
    broken = {**openapi, "paths": {"no-slash": {"get": {}}}}
    with pytest.raises(Exception, match=r"no-slash|does not match"):
        schemathesis.openapi.from_dict(broken).validate()


def test_asyncapi_is_valid(asyncapi: dict[str, Any]) -> None:
    schema = json.loads(ASYNCAPI_SCHEMA.read_bytes())
    assert [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(asyncapi)] == []


async def test_the_topics_of_the_broker_are_those_of_the_document(
    asyncapi: dict[str, Any], concord: Concord
) -> None:
    existing = await topics_of(concord.environ["KAFKA_BOOTSTRAP_SERVERS"])
    documented = {
        channel["address"]: channel["bindings"]["kafka"]["partitions"]
        for channel in asyncapi["channels"].values()
        if channel["address"] is not None
    }
    replies = {name for name in existing if REPLIES.match(name)}
    assert replies
    ours = {name for name in existing if not name.startswith("__")} - replies - concord.topics_before
    assert documented.keys() - existing.keys() == set(), "documented but missing"
    assert ours - documented.keys() == set(), "undocumented"
    assert {name: existing[name] for name in documented} == documented


class Sent(dict[str, httpx.Response]):
    """Responses by operation."""

    def ok(self, name: str, status: int) -> Any:
        response = self[name]
        assert response.status_code == status, f"{name}: {response.text}"
        return response.json() if response.content else None


def test_every_example_of_a_body_works_as_it_stands(
    openapi: dict[str, Any], http: httpx.Client, person: Callable[..., Person]
) -> None:
    """Send each example body of the document, from signing up to the last message."""
    examples = dict(_examples(openapi))
    ada, guest, sent = person("Ada"), person("Guest"), Sent()

    def send(name: str, **ids: str) -> None:
        method, path = _place(openapi, name)
        sent[name] = ada.request(method, path.format(**ids), json=examples.pop(name))

    send("user.signup")
    send("user.signin")
    assert sent["user.signin"].status_code in (200, 401)
    if sent["user.signup"].status_code != 409:  # another test may have signed this person up
        example = sent.ok("user.signup", 201)["profile"]["id"]
        assert sent.ok("user.signin", 200)["profile"]["id"] == example
    send("user.refresh")
    assert sent["user.refresh"].json()["code"] == "token.invalid"
    send("user.update")
    assert sent.ok("user.update", 200)["id"] == ada.id
    send("create.server")
    server = sent.ok("create.server", 201)
    send("update.server", serverId=server["id"])
    sent.ok("update.server", 200)
    send("channel.create", serverId=server["id"])
    channel = sent.ok("channel.create", 201)
    send("channel.update", channelId=channel["id"])
    sent.ok("channel.update", 200)
    send("invite.create", serverId=server["id"])
    invite = sent.ok("invite.create", 201)
    assert guest.post(f"/api/invites/{invite['code']}").status_code == 200
    send("member.update", serverId=server["id"], memberId=guest.id)
    sent.ok("member.update", 200)
    send("message.send", channelId=channel["id"])
    message = sent.ok("message.send", 201)
    send("message.edit", channelId=channel["id"], messageId=message["id"])
    sent.ok("message.edit", 200)
    send("file.create")
    assert (
        sent["file.create"].json()["code"] == "channel.not_found"
    )  # the channel of the example does not exist
    form = examples.pop("file.upload")
    file = {"file": ("tea.txt", form["file"].encode(), "text/plain")}
    uploaded = ada.post("/api/files/upload", data={"channelId": channel["id"]}, files=file)
    assert (form.keys(), uploaded.status_code) == ({"channelId", "file"}, 201), uploaded.text
    send("user.changePassword")
    sent.ok("user.changePassword", 204)
    assert examples == {}, "bodies that this test does not send"


def _examples(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in openapi["paths"].values():
        for operation in methods.values():
            if "requestBody" in operation:
                (content,) = operation["requestBody"]["content"].values()
                yield operation["operationId"], content["example"]


def _place(openapi: dict[str, Any], name: str) -> tuple[str, str]:
    (found,) = (
        (method.upper(), path)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] == name
    )
    return found


class References(HTMLParser):
    """The addresses that a page loads, and those of its links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.linked: set[str] = set()
        self.inline_scripts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.loaded |= {values[name] or "" for name in ("src", "data", "poster") if name in values}
        if href := values.get("href"):
            (self.linked if tag == "a" else self.loaded).add(href)
        self.inline_scripts += tag == "script" and "src" not in values


def test_pages_load_everything_from_the_gateway(http: httpx.Client) -> None:
    """Every asset exists, also those of style sheets, and every link leads somewhere."""
    checked: dict[str, httpx.Response] = {}

    def fetch(path: str) -> httpx.Response:
        if path not in checked:
            checked[path] = http.get(path)
        return checked[path]

    offenders = [f"{path}: {fault}" for path in PAGES for fault in _page_faults(path, http, fetch)]
    assert offenders == []


def _page_faults(path: str, http: httpx.Client, fetch: Callable[[str], httpx.Response]) -> Iterator[str]:
    page = http.get(path, headers={"Accept": "text/html"})
    if (page.status_code, page.headers["content-type"]) != (200, "text/html; charset=utf-8"):
        yield f"{page.status_code} {page.headers['content-type']}"
    references = References(page.text)
    if references.inline_scripts:
        yield "an inline script"
    for address in sorted(references.loaded | references.linked):
        asset = fetch(_ours(path, address))
        if asset.status_code != 200:
            yield f"{address}: {asset.status_code}"
        if asset.headers.get("content-type", "").startswith("text/css"):
            inner = [one for one in IN_CSS.findall(asset.text) if not one.startswith("data:")]
            yield from (
                f"{one} of {address}" for one in inner if fetch(_ours(address, one)).status_code != 200
            )
    if path in ("/api/docs", "/api/asyncapi") and sum(one.endswith(".js") for one in references.loaded) < 2:
        yield "fewer than two scripts"


def _ours(base: str, address: str) -> str:
    """Return the path of a reference; fail if it leads away from the gateway."""
    path = urljoin(base, address)
    assert path.startswith("/"), f"{base} refers to {address}"
    assert not path.startswith("//"), f"{base} refers to {address}"
    return path


def test_the_content_security_policy_allows_the_gateway_alone(http: httpx.Client) -> None:
    for path in PAGES:
        policy = http.get(path, headers={"Accept": "text/html"}).headers["content-security-policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'"
        allowed = {source for sources in rules.values() for source in sources.split()}
        assert allowed <= {"'none'", "'self'", "'unsafe-inline'", "data:"}
        assert "script-src" not in rules or rules["script-src"] == "'self'"


def test_each_error_code_of_the_document_has_its_page(openapi: dict[str, Any], http: httpx.Client) -> None:
    documented = set(re.findall(r'"type": ?"(/api/errors/[^"]+)"', json.dumps(openapi)))
    listed = {f"/api/errors/{error['code']}" for error in http.get("/api/errors").json()["items"]}
    assert documented <= listed
    assert listed == {f"/api/errors/{code}" for code in CATALOGUE}
    for address in listed:
        error = http.get(address).json()
        page = http.get(address, headers={"Accept": "text/html"}).text
        assert address.endswith(f"/{error['code']}")
        assert error["explanation"]
        assert error["title"] in page.replace("&#x27;", "'")

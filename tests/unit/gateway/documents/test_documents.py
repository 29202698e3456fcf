"""The OpenAPI document and the pages agree with the routes."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from jsonschema import Draft202012Validator
from litestar import Litestar

from apps.gateway.app import ROUTES
from apps.gateway.documents.openapi.operation import errors_of
from apps.gateway.documents.pages import ASSETS, WEB
from apps.gateway.routes.route import Route
from shared.contracts.errors import CATALOGUE
from shared.contracts.examples import example_of
from tests.support.gateway import World, client_of, new_world

LOCAL_REFERENCE = re.compile(r"""(?:src|href|url\()=?["']?((?:https?:)?//[^"')\s]+)""")


@pytest.fixture
async def document(http: httpx.AsyncClient) -> dict[str, Any]:
    return (await http.get("/api/openapi.json")).json()  # type: ignore[no-any-return]


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def routes_of(app: Litestar) -> set[tuple[str, str]]:
    """Return method and path of everything that Litestar serves."""
    served = set()
    for route in app.routes:
        path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path)
        served |= {(str(method), path) for method in route.methods if method != "OPTIONS"}  # type: ignore[union-attr]
    return served


async def test_file_operations_name_the_public_url_of_the_file_service() -> None:
    world = new_world(public_url="https://chat.example.org", file_public_url="https://files.example.org/")
    async with client_of(world) as http:
        document = (await http.get("/api/openapi.json")).json()
    everywhere = ["/", "https://chat.example.org"]
    assert [server["url"] for server in document["servers"]] == everywhere
    servers = {
        path: [server["url"] for server in operation["servers"]]
        for (_, path), operation in operations(document).items()
        if "servers" in operation
    }
    both = [*everywhere, "https://files.example.org"]
    assert servers == {"/api/files/upload": both, "/api/files/{fileId}/content": both}


async def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()
    assert document["openapi"].startswith("3.1")


async def test_it_names_every_route_and_no_other(document: dict[str, Any], world: World) -> None:
    app: Any = world.edge._app
    assert set(operations(document)) == routes_of(app)


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', msgspec.json.encode(document).decode())
    assert references
    assert set(references) <= document["components"]["schemas"].keys()


async def test_every_operation_is_documented_completely(document: dict[str, Any]) -> None:
    ids = []
    tags = {tag["name"] for tag in document["tags"]}
    for (_, path), operation in operations(document).items():
        ids.append(operation["operationId"])
        assert operation["summary"]
        assert operation["description"]
        assert set(operation["tags"]) <= tags
        named = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert named == re.findall(r"{(\w+)}", path)
        for response in operation["responses"].values():
            assert response["description"]
            assert "X-Correlation-Id" in response["headers"]
    assert len(ids) == len(set(ids))


def undocumented_errors(route: Route, responses: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each difference between the errors and statuses of a route and of the document."""
    documented = {
        (int(status), code)
        for status, response in responses.items()
        for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    possible = {(error.status, error.name) for error in errors_of(route)}
    yield from (f"{status} {code} is not documented" for status, code in sorted(possible - documented))
    yield from (f"{status} {code} can not occur" for status, code in sorted(documented - possible))
    codes = {code for _, code in documented}
    yield from (
        f"{error.name} is not documented" for error in route.operation.errors if error.name not in codes
    )
    if not {"200", "201", "204", "302"} & responses.keys():
        yield "no success is documented"
    yield from (
        f"{status} is not documented" for status in route.operation.also if str(status) not in responses
    )


async def test_errors_are_documented_by_status_and_code(document: dict[str, Any]) -> None:
    documented = operations(document)
    offenders = [
        f"{route.operation.name}: {fault}"
        for route in ROUTES
        for fault in undocumented_errors(route, documented[route.method, route.path]["responses"])
    ]
    assert offenders == []


async def test_the_example_of_each_body_works(document: dict[str, Any], api: httpx.AsyncClient) -> None:
    with_body = [route for route in ROUTES if route.operation.body]
    assert with_body
    offenders = []
    for route in with_body:
        content = operations(document)[route.method, route.path]["requestBody"]["content"]
        media_type = "multipart/form-data" if route.operation.form else "application/json"
        example, schema = content[media_type]["example"], content[media_type]["schema"]
        offenders += [f"{route.operation.name}: {fault}" for fault in faults_of(example, schema, document)]
        assert route.operation.body is not None
        assert msgspec.convert(example, route.operation.body)
        if route.operation.form:
            continue  # tests/e2e/test_documents.py sends it
        path = {name: example_of(route.operation.request)[name] for name in route.parameters}
        response = await api.request(route.method, route.path.format(**path), json=example)
        if response.status_code != route.operation.status:
            offenders.append(f"{route.operation.name}: {response.status_code}")
    assert offenders == []


async def test_the_example_of_each_response_fits_its_schema(document: dict[str, Any]) -> None:
    with_response = [route for route in ROUTES if route.operation.answer and route.operation.status != 302]
    assert with_response
    offenders = []
    for route in with_response:
        responses = operations(document)[route.method, route.path]["responses"]
        content = responses[str(route.operation.status)]["content"]["application/json"]
        faults = faults_of(content["example"], content["schema"], document)
        offenders += [f"{route.operation.name}: {fault}" for fault in faults]
    assert offenders == []


async def test_examples_of_errors_fit_the_schema_of_problems(document: dict[str, Any]) -> None:
    offenders = []
    for (method, path), operation in operations(document).items():
        for response in operation["responses"].values():
            content = response.get("content", {}).get("application/problem+json", {"examples": {}})
            for code, example in content["examples"].items():
                faults = faults_of(example["value"], content["schema"], document)
                faults += [] if example["value"]["code"] == code else ["another code"]
                offenders += [f"{method} {path}: {code}: {fault}" for fault in faults]
    assert offenders == []


async def test_a_problem_fits_its_schema(document: dict[str, Any], api: httpx.AsyncClient) -> None:
    problem = (await api.post("/api/servers", json={"x": 1})).json()
    schema = {"$ref": "#/components/schemas/Problem"}
    assert faults_of(problem, schema, document) == []
    assert faults_of({**problem, "status": "400"}, schema, document) != [], "a wrong type would be found"


async def test_public_operations_need_no_token(document: dict[str, Any]) -> None:
    for route in ROUTES:
        security = operations(document)[route.method, route.path]["security"]
        assert security == ([] if route.operation.public else [{"bearer": []}])


async def test_only_operations_that_take_a_key_name_it(document: dict[str, Any]) -> None:
    for route in ROUTES:
        parameters = operations(document)[route.method, route.path]["parameters"]
        assert ("Idempotency-Key" in [p["name"] for p in parameters]) == route.operation.idempotent


def test_every_post_takes_an_idempotency_key_unless_it_returns_tokens() -> None:
    posted = [route.operation for route in ROUTES if route.method == "POST"]
    without = {operation.name for operation in posted if not operation.idempotent}
    assert without == {"user.signup", "user.signin", "user.refresh"}


def faults_of(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """Return a line for each part of the value that does not fit; formats are checked too."""
    whole = {**schema, "components": document["components"]}
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(value)]


async def test_the_public_url_is_documented() -> None:
    world = new_world(public_url="https://chat.example.org/")
    transport = httpx.ASGITransport(app=world.edge)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        servers = (await http.get("/api/openapi.json")).json()["servers"]
    assert [server["url"] for server in servers] == ["/", "https://chat.example.org"]


async def test_every_error_code_has_its_page(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/api/errors")).json()["items"]
    assert {error["code"] for error in listed} == set(CATALOGUE)
    for error in CATALOGUE.values():
        explained = (await http.get(f"/api/errors/{error.name}")).json()
        assert (explained["status"], explained["title"]) == (error.status, error.title)
        page = await http.get(f"/api/errors/{error.name}", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert error.name in page.text
    assert "mesh.busy" in (await http.get("/api/errors", headers={"Accept": "text/html"})).text
    assert (await http.get("/api/errors/no.such")).status_code == 404
    assert (await http.get("/api/errors/%3Cscript%3E", headers={"Accept": "text/html"})).status_code == 404


@pytest.mark.parametrize("page", ["/api/docs", "/api/asyncapi"])
async def test_pages_load_from_the_gateway_only(page: str, http: httpx.AsyncClient) -> None:
    response = await http.get(page)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert not LOCAL_REFERENCE.findall(response.text)
    assets = re.findall(rf'"{ASSETS}/([^"]+)"', response.text)
    assert assets
    for asset in assets:
        assert (await http.get(f"{ASSETS}/{asset}")).status_code == 200


async def test_every_asset_is_served_with_its_media_type_and_cached(http: httpx.AsyncClient) -> None:
    media_types = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
                   ".png": "image/png", ".svg": "image/svg+xml"}  # fmt: skip
    files = [path for path in (WEB / "assets").rglob("*") if path.is_file()]
    assert files
    for path in files:
        name = path.relative_to(WEB / "assets").as_posix()
        response = await http.get(f"{ASSETS}/{name}", headers={"Accept-Encoding": "identity"})
        assert response.content == path.read_bytes()
        assert response.headers["content-type"] == media_types.get(
            path.suffix, response.headers["content-type"]
        )
        assert ("immutable" in response.headers["cache-control"]) == name.startswith("vendor/")
        again = await http.get(f"{ASSETS}/{name}", headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["../docs.html", "%2e%2e/docs.html", "nope.js", "vendor", "/etc/passwd", "..%2fdocs.html"]
)
async def test_nothing_else_is_an_asset(name: str, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{ASSETS}/{name}")).status_code == 404


async def test_large_documents_are_compressed_on_request(http: httpx.AsyncClient) -> None:
    plain = await http.get("/api/openapi.json", headers={"Accept-Encoding": "identity"})
    packed = await http.get("/api/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 4


async def test_the_asyncapi_document_is_served(http: httpx.AsyncClient) -> None:
    document = (await http.get("/api/asyncapi.json")).json()
    assert document["asyncapi"].startswith("3.")


async def test_home_redirects_to_the_documents(http: httpx.AsyncClient) -> None:
    response = await http.get("/")
    assert (response.status_code, response.headers["location"]) == (302, "/api/docs")


async def test_the_public_keys_are_served_once_known(world: World, http: httpx.AsyncClient) -> None:
    document, world.keys.document = world.keys.document, None
    try:
        assert (await http.get("/.well-known/jwks.json")).json()["code"] == "mesh.busy"
        world.keys.document = b'{"keys":[{"kid":"k1"}]}'
        response = await http.get("/.well-known/jwks.json")
        assert response.json() == {"keys": [{"kid": "k1"}]}
        assert "max-age" in response.headers["cache-control"]
    finally:
        world.keys.document = document


async def test_health_names_the_components_that_are_not_ready(http: httpx.AsyncClient, world: World) -> None:
    response = await http.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["parts"] == {"keys": "starting"}
    world.health._components["keys"].ready()  # type: ignore[union-attr]
    assert (await http.get("/health/ready")).status_code == 200
    world.health._components["keys"].down("starting")  # type: ignore[union-attr]
    assert (await http.get("/health/live")).json() == {"status": "alive"}

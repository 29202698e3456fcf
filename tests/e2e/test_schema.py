"""The API answers valid and invalid requests as its OpenAPI document says (Schemathesis)."""

import copy
import struct
from base64 import urlsafe_b64encode
from collections import Counter
from hashlib import sha256
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.schemas import BaseSchema

from apps.gateway.app import ROUTES
from tests.e2e.stage import Case, Stage

SETTINGS = settings(
    max_examples=12,  # random requests for each operation, besides the examples and the edges of every schema
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
TIMEOUT_S = 15
OF_HTTP = {
    "allow", "cache-control", "content-encoding", "content-length", "content-security-policy", "content-type",
    "cross-origin-resource-policy", "date", "etag", "referrer-policy", "vary", "x-content-type-options",
    "x-frame-options",
}  # fmt: skip
"""Headers of HTTP that the document does not list."""

PAGES = (
    "home", "docs", "docs.asset", "openapi", "asyncapi.page", "asyncapi", "errors", "errors.explain",
    "keys.get", "health.live", "health.ready", "metrics",
)  # fmt: skip
NAMES = (*(route.operation.name for route in ROUTES), *PAGES)


@pytest.fixture(scope="module")
def stage(gateway_url: str) -> Stage:
    return Stage(httpx.Client(base_url=gateway_url, timeout=TIMEOUT_S))


@pytest.fixture(scope="module")
def session() -> requests.Session:
    """Return a session that keeps connections open."""
    return requests.Session()


@pytest.fixture(scope="module")
def document(gateway_url: str) -> Any:
    """Return the served document, made strict: a response may have no field that it does not list."""
    served = httpx.get(f"{gateway_url}/api/openapi.json").raise_for_status().json()
    strict = copy.deepcopy(served)
    for schema in strict["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    config = SchemathesisConfig()
    config.projects.default.cache.enabled = False
    config.projects.default.generation.update(deterministic=True, with_security_parameters=False)
    schema = schemathesis.openapi.from_dict(strict, config=config)
    schema.config.update(base_url=gateway_url)
    return schema


def check_headers(response: Any, case: Case) -> None:
    """Check that a response has every header documented for its status, and no undocumented one."""
    if case.method.upper() != case.operation.method.upper():
        return  # Schemathesis tried another method of this path, which is not documented
    documented = (
        case.operation.definition.raw["responses"].get(str(response.status_code), {}).get("headers", {})
    )
    names = {name.lower() for name in documented}
    missing = names - response.headers.keys()
    assert not missing, f"documented for {response.status_code} but missing: {missing}"
    assert response.headers.keys() - OF_HTTP <= names | {"x-correlation-id"}


def test_every_operation_is_tried(document: BaseSchema) -> None:
    assert sorted(_operations(document)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_answered_as_documented(
    name: str, document: BaseSchema, stage: Stage, session: requests.Session
) -> None:
    answered: Counter[int] = Counter()

    def send(case: Case) -> None:
        person = stage.set_for(case)
        headers = {"Authorization": f"Bearer {person.access_token}"}
        response = case.call(headers=headers, session=session, timeout=TIMEOUT_S, allow_redirects=False)
        stage.note(case, response.status_code)
        case.validate_response(response, headers=headers, transport_kwargs={"session": session})
        check_headers(response, case)
        answered[response.status_code] += 1

    operation = _operations(document)[name]
    build_operation_test(
        config=document.config,
        operation=operation,
        test_func=settings(SETTINGS)(send),
        given_kwargs={},
        feedback=FeedbackSources(),
    )()
    print(dict(answered))
    succeeded = {int(status) for status in operation.definition.raw["responses"] if status[0] in "23"}
    assert succeeded & answered.keys(), f"none of {succeeded} came: {answered}"


LISTS = ("servers", "servers/{0}/channels", "servers/{0}/members", "servers/{0}/invites", "auth/sessions")
TIMES_US = (0, -(2**63), 2**63 - 1, -62_135_596_800_000_000, 253_402_300_799_999_999)
"""Times in a cursor, in microseconds: the bounds of 64 bits, and of Python's datetime."""


@pytest.mark.parametrize("path", LISTS)
def test_forged_cursors_are_rejected(path: str, stage: Stage) -> None:
    ada = stage.ada
    address = f"/api/{path.format(ada.make_server()['id'])}"
    scope = sha256(f"servers {ada.id}".encode()).digest()[:8]
    packed = [struct.pack(">q16s", at_us, bytes(16)) for at_us in TIMES_US]
    raw = [b"", b"\0", b"\xff" * 192, *packed, *(scope + rest for rest in packed)]
    for cursor in (*(urlsafe_b64encode(one).decode().rstrip("=") for one in raw), "A", "-_-", "null"):
        response = ada.get(address, params={"cursor": cursor})
        assert response.status_code in (200, 400), f"{cursor}: {response.text}"
        if response.status_code == 400:
            assert [fault["path"] for fault in response.json()["errors"]] == ["cursor"]
    assert ada.get(address, params={"cursor": "A" * 40}).status_code == 400


def _operations(document: BaseSchema) -> dict[str, Any]:
    documented = [result.ok() for result in document.get_all_operations() if isinstance(result, Ok)]
    return {operation.definition.raw["operationId"]: operation for operation in documented}

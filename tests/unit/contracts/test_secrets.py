"""Which fields are secret, and what that means for the rest of the contract."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from shared.contracts.account import OPERATIONS as ACCOUNT_OPERATIONS
from shared.contracts.catalogue import EVENTS, OPERATIONS
from shared.contracts.examples import example_of
from shared.contracts.operation import SECRET_KEYS, Operation
from shared.contracts.secrets import is_secret, secret_fields

SUSPICIOUS = ("password", "token", "secret")
ALL = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Every struct that a type is made of, itself too."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs_in(field.type)
    for part in get_args(kind):
        yield from structs_in(part)


def test_passwords_and_tokens_are_secret() -> None:
    found = {
        name: (sorted(one.secrets), sorted(one.answer_secrets))
        for name, one in OPERATIONS.items()
        if one.sealed
    }
    assert found == {
        "user.signup": (["password"], ["accessToken", "refreshToken"]),
        "user.signin": (["password"], ["accessToken", "refreshToken"]),
        "user.refresh": (["refreshToken"], ["accessToken", "refreshToken"]),
        "user.changePassword": (["current", "new"], []),
        "user.verifyToken": (["token"], []),
        "file.create": ([], ["upload.url"]),
        "file.download": ([], ["url"]),
        "file.thumbnail": ([], ["url"]),
    }


@ALL
def test_what_is_named_like_a_secret_is_one(operation: Operation) -> None:
    for kind in (operation.request, operation.answer):
        for struct in structs_in(kind):
            for field in msgspec.structs.fields(struct):
                if any(word in field.name for word in SUSPICIOUS):
                    assert is_secret(field.type), f"{struct.__name__}.{field.name}"


@ALL
def test_secrets_stand_where_the_kit_seals_them(operation: Operation) -> None:
    """As plain text that is always there, where a path leads: not in a list nor in what may be another."""
    for kind in (operation.request, operation.answer):
        if kind is None:
            continue
        fields = [field for one in structs_in(kind) for field in msgspec.structs.fields(one)]
        assert sum(is_secret(field.type) for field in fields) == len(secret_fields(kind))
        for path in secret_fields(kind):
            place: Any = example_of(kind)
            for part in path.split("."):
                place = place[part]
            assert isinstance(place, str)


@ALL
def test_who_has_secrets_in_a_request_publishes_keys(operation: Operation) -> None:
    if operation.secrets:
        assert operation in ACCOUNT_OPERATIONS, "only auth's keys are asked for"


@ALL
def test_nobody_seals_a_whole_batch_in_a_row(operation: Operation) -> None:
    assert not (operation.sealed and operation.many)


@ALL
def test_a_secret_is_no_readable_key(operation: Operation) -> None:
    key = next(field for field in msgspec.structs.fields(operation.request) if field.name == operation.key)
    assert key.encode_name not in operation.secrets or operation.key in SECRET_KEYS


def test_no_event_has_a_secret() -> None:
    assert [
        kind.name for kind in EVENTS.values() for one in structs_in(kind.data) if secret_fields(one)
    ] == []

"""The secret fields of the contracts, and the rules that follow from them."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from shared.contracts.account import OPERATIONS as ACCOUNT_OPERATIONS
from shared.contracts.catalogue import EVENTS, OPERATIONS
from shared.contracts.examples import example_of
from shared.contracts.operation import SECRET_KEYS, Operation
from shared.contracts.secrets import is_secret, secret_fields

SUSPICIOUS = ("password", "token", "secret")


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield every struct that a type consists of, including itself."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs_in(field.type)
    for part in get_args(kind):
        yield from structs_in(part)


def test_passwords_and_tokens_are_secret() -> None:
    secrets = {
        name: (sorted(operation.secrets), sorted(operation.answer_secrets))
        for name, operation in OPERATIONS.items()
        if operation.sealed
    }
    assert secrets == {
        "user.signup": (["password"], ["accessToken", "refreshToken"]),
        "user.signin": (["password"], ["accessToken", "refreshToken"]),
        "user.refresh": (["refreshToken"], ["accessToken", "refreshToken"]),
        "user.changePassword": (["current", "new"], []),
        "user.verifyToken": (["token"], []),
        "file.create": ([], ["upload.url"]),
        "file.download": ([], ["url"]),
        "file.thumbnail": ([], ["url"]),
    }


def test_fields_named_like_secrets_are_secret() -> None:
    offenders = [
        f"{name}: {struct.__name__}.{field.name}"
        for name, operation in OPERATIONS.items()
        for part in (operation.request, operation.answer)
        for struct in structs_in(part)
        for field in msgspec.structs.fields(struct)
        if any(word in field.name for word in SUSPICIOUS) and not is_secret(field.type)
    ]
    assert offenders == []


def unsealable_secrets(struct: Any) -> Iterator[str]:
    """Yield a line for each secret that the kit cannot seal: not a required string at a fixed path."""
    fields = [field for inner in structs_in(struct) for field in msgspec.structs.fields(inner)]
    if sum(is_secret(field.type) for field in fields) != len(secret_fields(struct)):
        yield f"{struct.__name__} has a secret in a list or in an optional struct"
    for path in secret_fields(struct):
        value: Any = example_of(struct)
        for part in path.split("."):
            value = value[part]
        if not isinstance(value, str):
            yield f"{struct.__name__}: {path} is not a string"


def test_secrets_are_where_the_kit_seals_them() -> None:
    offenders = [
        f"{name}: {fault}"
        for name, operation in OPERATIONS.items()
        for part in (operation.request, operation.answer)
        if part is not None
        for fault in unsealable_secrets(part)
    ]
    assert offenders == []


def test_only_auth_has_secrets_in_requests() -> None:
    """Clients fetch the keys of auth only."""
    with_secrets = {name for name, operation in OPERATIONS.items() if operation.secrets}
    assert with_secrets <= {operation.name for operation in ACCOUNT_OPERATIONS}
    assert with_secrets


def test_batch_operations_have_no_secrets() -> None:
    assert [name for name, operation in OPERATIONS.items() if operation.sealed and operation.many] == []


def readable_secret_keys(operation: Operation) -> list[str]:
    """Return the Kafka key of an operation if it is a secret in plain text."""
    key = next(field for field in msgspec.structs.fields(operation.request) if field.name == operation.key)
    is_readable = key.encode_name in operation.secrets and operation.key not in SECRET_KEYS
    return [f"{operation.name}: {operation.key}"] if is_readable else []


def test_a_secret_is_no_readable_key() -> None:
    assert [key for operation in OPERATIONS.values() for key in readable_secret_keys(operation)] == []


def test_no_event_has_a_secret() -> None:
    assert [
        event.name for event in EVENTS.values() for struct in structs_in(event.data) if secret_fields(struct)
    ] == []

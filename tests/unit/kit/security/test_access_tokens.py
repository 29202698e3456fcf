"""Access tokens: the one that is accepted, and all that are rejected."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.contracts.account import Jwk, Jwks
from shared.contracts.errors import TOKEN_EXPIRED, TOKEN_INVALID, ErrorCode, ServiceError
from shared.kit.security import access_tokens
from shared.kit.security.access_tokens import TokenVerifier, public_keys

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()
PROFILE = "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


def claims(**changes: Any) -> dict[str, Any]:
    issued = int(START.timestamp())
    whole = {
        "iss": "concord",
        "aud": "concord",
        "sub": PROFILE,
        "sid": PROFILE,
        "jti": PROFILE,
        "iat": issued,
        "exp": issued + 900,
    } | changes
    return {name: value for name, value in whole.items() if value is not None}


def signed(key: Any = KEY, algorithm: str = "EdDSA", headers: Any = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers or {"kid": "one"})


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: Any, payload: Any = None, key: Ed25519PrivateKey = KEY) -> str:
    text = f"{part(header)}.{part(claims() if payload is None else payload)}"
    return f"{text}.{part(key.sign(text.encode()))}"


def hs256_with_the_public_key(form: tuple[Encoding, PublicFormat]) -> str:
    text = f"{part({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{part(claims())}"
    secret = KEY.public_key().public_bytes(*form)
    return f"{text}.{part(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def changed_payload() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{part(claims(sub='019a4c5e-7b1a-7c3d-9e2f-000000000000'))}.{signature}"


def other_spelling() -> str:
    """The same signature with other unused bits in its last character."""
    token = signed()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


FORGED = {
    "alg none, no signature": by_hand({"alg": "none", "kid": "one"}).rpartition(".")[0] + ".",
    "alg none, signed": by_hand({"alg": "none", "kid": "one"}),
    "alg None by pyjwt": jwt.encode(claims(), None, algorithm="none", headers={"kid": "one"}),
    "HS256 with the raw public key": hs256_with_the_public_key((Encoding.Raw, PublicFormat.Raw)),
    "HS256 with the PEM public key": hs256_with_the_public_key(
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ),
    "another algorithm named": by_hand({"alg": "RS256", "kid": "one"}),
    "ES256": signed(generate_private_key(SECP256R1()), "ES256"),
    "another key under our kid": signed(OTHER_KEY),
    "unknown kid": signed(headers={"kid": "two"}),
    "no kid": by_hand({"alg": "EdDSA"}),
    "kid of another type": by_hand({"alg": "EdDSA", "kid": 1}),
    "key brought along": by_hand(
        {"alg": "EdDSA", "kid": "one", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}, key=OTHER_KEY
    ),
    "critical extension": by_hand({"alg": "EdDSA", "kid": "one", "crit": ["exp"], "exp": 1}),
    "payload exchanged": changed_payload(),
    "signature cut": signed()[:-2],
    "signature taken away": signed().rpartition(".")[0] + ".",
    "signature spelled otherwise": other_spelling(),
    "signature with garbage inside": signed()[:-3] + "!" + signed()[-3:],
    "another issuer": signed(iss="else"),
    "another audience": signed(aud="else"),
    "audience as a list": signed(aud=["concord"]),
    **{f"no {name}": signed(**{name: None}) for name in claims()},
    "expiry as text": by_hand({"alg": "EdDSA", "kid": "one"}, claims(exp="never")),
    "expiry null": by_hand({"alg": "EdDSA", "kid": "one"}, {**claims(), "exp": None}),
    "subject that is no id": signed(sub="ada"),
    "issued in the future": signed(iat=int(START.timestamp()) + 31),
    "payload no object": by_hand({"alg": "EdDSA", "kid": "one"}, [1]),
    "payload no JSON": by_hand({"alg": "EdDSA", "kid": "one"}, b"\xff"),
    "header no object": by_hand([1]),
    "header no JSON": by_hand(b"\xff\xfe"),
    "empty": "",
    "dots": "..",
    "garbage": "garbage",
    "not ASCII": "é.é.é",
    "lone surrogate": "\ud800.a.b",
    "four parts": signed() + ".a",
    "too long": by_hand({"alg": "EdDSA", "kid": "one"}, claims(more="x" * access_tokens.TOKEN_LENGTH_MAX)),
    "space around": f" {signed()}",
    "line end": f"{signed()}\n",
}


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def verifier(clock: SetClock) -> TokenVerifier:
    return TokenVerifier({"one": KEY.public_key()}, "concord", "concord", clock)


def refusal(verifier: TokenVerifier, token: str) -> ErrorCode:
    with pytest.raises(ServiceError) as caught:
        verifier.verify(token)
    return caught.value.code


def test_a_good_token_gives_its_claims(verifier: TokenVerifier) -> None:
    found = verifier.verify(signed())
    assert (str(found.sub), found.exp - found.iat) == (PROFILE, 900)


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_forged_tokens_are_invalid(verifier: TokenVerifier, token: str) -> None:
    assert refusal(verifier, token) is TOKEN_INVALID


def test_a_token_lives_to_the_second(verifier: TokenVerifier, clock: SetClock) -> None:
    token = signed()
    clock.time = START + timedelta(seconds=899)
    verifier.verify(token)
    clock.time = START + timedelta(seconds=900)
    assert refusal(verifier, token) is TOKEN_EXPIRED
    assert refusal(verifier, signed(iss="else")) is TOKEN_INVALID


def test_a_clock_that_is_a_little_ahead_is_forgiven(verifier: TokenVerifier) -> None:
    verifier.verify(signed(iat=int(START.timestamp()) + 30))


def test_a_key_that_is_taken_away_is_believed_no_more(clock: SetClock) -> None:
    keys = {"one": KEY.public_key()}
    verifier = TokenVerifier(keys, "concord", "concord", clock)
    token = signed()
    verifier.verify(token)
    keys["one"] = OTHER_KEY.public_key()
    assert refusal(verifier, token) is TOKEN_INVALID
    del keys["one"]
    assert refusal(verifier, token) is TOKEN_INVALID


def test_what_is_remembered_is_bounded(verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_tokens, "REMEMBERED_MAX", 3)
    for number in range(10):
        verifier.verify(signed(more=number))
    assert len(verifier._cache) == 3
    verifier.verify(signed(more=0))


def test_keys_are_read_from_a_jwks_and_strange_ones_left_out() -> None:
    x = part(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    good = Jwk(kid="one", x=x)
    strange = [
        Jwk(kid="short", x="AA"),
        Jwk(kid="rsa", x=x, kty="RSA"),
        Jwk(kid="enc", x=x, use="enc"),
        Jwk(kid="hs", x=x, alg="HS256"),
    ]
    assert public_keys(Jwks(keys=[good, *strange])) == {"one": KEY.public_key()}

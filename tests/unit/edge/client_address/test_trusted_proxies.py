"""The client's address and scheme: reported by proxies, forged by clients, or unreadable."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.edge.client_address.trusted_proxies import ProxyHeader, TrustedProxies, _parsed
from shared.edge.request_context import RequestContext

TRUSTED = ("10.0.0.0/8", "fd00::/8")
PROXY, OTHER_PROXY, CLIENT, LIAR = "10.0.0.1", "10.9.9.9", "203.0.113.7", "198.51.100.9"


def scope_of(peer: str | None, *headers: tuple[str, str]) -> Any:
    return {
        "type": "http",
        "scheme": "http",
        "client": None if peer is None else (peer, 50_000),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


def network(
    peer: str | None,
    *headers: tuple[str, str],
    trusted: tuple[str, ...] = TRUSTED,
    header: ProxyHeader = "x-forwarded-for",
) -> str:
    return TrustedProxies(trusted, header).network_of(
        RequestContext(scope_of(peer, *headers), None, lambda: "id", 0)
    )  # type: ignore[arg-type]


def scheme(peer: str, *headers: tuple[str, str], header: ProxyHeader = "x-forwarded-for") -> str:
    return TrustedProxies(TRUSTED, header).scheme_of(scope_of(peer, *headers))


@pytest.mark.parametrize(
    ("peer", "value", "found"),
    [
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"{LIAR}, {CLIENT}", CLIENT),
        (PROXY, f"{LIAR}, {CLIENT}, {OTHER_PROXY}", CLIENT),
        (PROXY, f"{CLIENT},{OTHER_PROXY} ,\t{OTHER_PROXY}", CLIENT),
        (CLIENT, LIAR, CLIENT),
        (CLIENT, f"{LIAR}, {PROXY}", CLIENT),
        (PROXY, f"{OTHER_PROXY}, {PROXY}", OTHER_PROXY),
        (PROXY, "", PROXY),
        (PROXY, "garbage", PROXY),
        (PROXY, f"{CLIENT}, garbage", PROXY),
        (PROXY, f"{CLIENT}, garbage, {OTHER_PROXY}", OTHER_PROXY),
        (PROXY, f"garbage, {CLIENT}", CLIENT),
        (PROXY, f"{CLIENT}:4711", CLIENT),
        (PROXY, "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        (PROXY, "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        (PROXY, "2001:db8:1:2:3::4%eth0", "2001:db8:1:2::/64"),
        (PROXY, f"::ffff:{CLIENT}", CLIENT),
        (PROXY, "203.0.113.7.9", PROXY),
        (PROXY, "203.0.113.999", PROXY),
        (PROXY, "\xff\x00", PROXY),
        (PROXY, ",,,", PROXY),
        ("fd00::1", CLIENT, CLIENT),
        (f"::ffff:{PROXY}", CLIENT, CLIENT),
        ("2001:db8::1", CLIENT, "2001:db8::/64"),
        ("not an address", CLIENT, "unknown"),
        (None, CLIENT, "unknown"),
    ],
)
def test_the_rightmost_address_that_is_not_a_trusted_proxy(peer: str, value: str, found: str) -> None:
    assert network(peer, ("x-forwarded-for", value)) == found


def test_without_trusted_proxies_no_header_is_read() -> None:
    assert network(PROXY, ("x-forwarded-for", CLIENT), trusted=()) == PROXY


def test_lines_of_one_header_are_one_list() -> None:
    assert network(PROXY, ("x-forwarded-for", LIAR), ("x-forwarded-for", CLIENT)) == CLIENT


def test_only_the_header_that_the_proxies_write_is_read() -> None:
    """The other one reaches us as the client sent it."""
    lie = ("forwarded", f"for={LIAR}")
    assert network(PROXY, ("x-forwarded-for", CLIENT), lie) == CLIENT
    assert network(PROXY, lie) == PROXY
    lie = ("x-forwarded-for", LIAR)
    assert network(PROXY, ("forwarded", f"for={CLIENT}"), lie, header="forwarded") == CLIENT


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"for={CLIENT}", CLIENT),
        (f"For={LIAR}, FOR={CLIENT};proto=https;by={PROXY}", CLIENT),
        (f'for="{CLIENT}:4711"', CLIENT),
        ('for="[2001:db8:1:2::9]:4711"', "2001:db8:1:2::/64"),
        ('for="[2001:db8:1:2::9]"; proto=http', "2001:db8:1:2::/64"),
        (f"for={CLIENT}, for={OTHER_PROXY}", CLIENT),
        (f"for={CLIENT}, for=unknown", PROXY),
        (f"for={CLIENT}, for=_hidden", PROXY),
        (f"for={CLIENT}, by={OTHER_PROXY}", PROXY),
        ("for=", PROXY),
        ('for="', PROXY),
        (f'for="{CLIENT}', PROXY),
        (";;;=;,", PROXY),
        (f'for={CLIENT};host="x,for={LIAR};b="', CLIENT),
        (f'for={CLIENT};host="x;for={LIAR}"', CLIENT),
        (f'for={CLIENT};host="\\",for={LIAR};b=\\""', CLIENT),
        (f'for={CLIENT};host="\\\\",for={OTHER_PROXY}', CLIENT),
        (f"for={CLIENT};for={LIAR}", CLIENT),
        (f"for={LIAR};for={CLIENT},for={OTHER_PROXY};for={LIAR}", LIAR),
        (f'for="\\2{CLIENT[1:]}"', CLIENT),
        (f"for={CLIENT};", CLIENT),
        (f", for={CLIENT} ,", PROXY),
        (f'", for={CLIENT}', PROXY),
        (f'for={LIAR};host="x, for={CLIENT}', PROXY),
        (f"for={LIAR}\x00, for={CLIENT}", CLIENT),
        (f"nonsense, for={CLIENT}", PROXY),
    ],
)
def test_forwarded(value: str, found: str) -> None:
    assert network(PROXY, ("forwarded", value), header="forwarded") == found


def test_a_quoted_list_of_two_lines_is_no_list() -> None:
    """The client wrote all lines but the last, which is the proxy's."""
    lines = [("forwarded", f'for={LIAR};host="'), ("forwarded", f'for={CLIENT};host="a"')]
    assert network(PROXY, *lines, header="forwarded") == PROXY


@given(st.text('x,;=" \t\\', max_size=30))
def test_quoted_text_of_a_client_is_never_an_address(host: str) -> None:
    quoted = host.replace("\\", "\\\\").replace('"', '\\"')
    for value in (f'host="{quoted}for={LIAR}";for={CLIENT}', f'for={CLIENT};host="for={LIAR}{quoted}"'):
        assert network(PROXY, ("forwarded", value), header="forwarded") == CLIENT


def test_long_headers_are_parsed_quickly_and_not_cached() -> None:
    _parsed.cache_clear()
    for piece in (" ", "\t", "a", "a=", ";", ",", '"', '\\"', 'a="', "for=1"):
        for value in (piece * 16_000, piece * 16_000 + "\x00", 'a="' + piece * 16_000):
            assert network(PROXY, ("forwarded", value), header="forwarded") == PROXY
            assert network(PROXY, ("x-forwarded-for", value.replace(",", ";"))) == PROXY
    assert _parsed.cache_info().currsize <= 10


@given(st.binary(max_size=200), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_any_header_yields_a_network(value: bytes, header: ProxyHeader) -> None:
    text = value.decode("latin-1")
    assert network(CLIENT, (header, text), header=header) == CLIENT
    assert network(PROXY, (header, text), header=header)


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/24",)])
@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
def test_an_untrusted_proxy_is_logged_once(
    trusted: tuple[str, ...], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxies = TrustedProxies(trusted, "x-forwarded-for")
    for headers in ((), ((name, CLIENT),), ((name, CLIENT),)):
        context = RequestContext(scope_of(OTHER_PROXY, *headers), None, lambda: "id", 0)  # type: ignore[arg-type]
        assert proxies.network_of(context) == OTHER_PROXY
    (warning,) = caplog.messages
    assert OTHER_PROXY in warning and "TRUSTED_PROXIES" in warning and CLIENT not in warning


def test_a_trusted_proxy_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert network(PROXY, ("x-forwarded-for", CLIENT)) == CLIENT
    assert not caplog.messages


@given(st.lists(st.sampled_from([LIAR, "garbage", PROXY, "::1", ""]), max_size=20))
def test_the_headers_of_a_client_are_never_believed(said: list[str]) -> None:
    assert network(PROXY, ("x-forwarded-for", ", ".join([*said, CLIENT, OTHER_PROXY]))) == CLIENT


def test_the_number_of_hops_is_bounded() -> None:
    way = ", ".join([LIAR] + [OTHER_PROXY] * 5000)
    assert network(PROXY, ("x-forwarded-for", way)) == OTHER_PROXY


def test_all_addresses_of_a_caller_in_ipv6_are_one() -> None:
    assert network("2001:db8:7:8::1") == network("2001:db8:7:8:ffff::2") != network("2001:db8:7:9::1")


@pytest.mark.parametrize(
    ("peer", "headers", "found"),
    [
        (PROXY, [("x-forwarded-for", CLIENT), ("x-forwarded-proto", "https")], "https"),
        (PROXY, [("x-forwarded-proto", "HTTPS")], "https"),
        (PROXY, [("x-forwarded-for", f"{CLIENT}, {PROXY}"), ("x-forwarded-proto", "https, http")], "https"),
        (PROXY, [("x-forwarded-for", f"{LIAR}, {CLIENT}"), ("x-forwarded-proto", "https, http")], "http"),
        (PROXY, [("x-forwarded-for", f"{CLIENT}, {OTHER_PROXY}"), ("x-forwarded-proto", "https")], "https"),
        (PROXY, [("x-forwarded-proto", "gopher")], "http"),
        (PROXY, [], "http"),
        (CLIENT, [("x-forwarded-for", CLIENT), ("x-forwarded-proto", "https")], "http"),
    ],
)  # fmt: skip
def test_the_scheme(peer: str, headers: list[tuple[str, str]], found: str) -> None:
    assert scheme(peer, *headers) == found


def test_the_scheme_of_forwarded() -> None:
    assert scheme(PROXY, ("forwarded", f"for={CLIENT};proto=https"), header="forwarded") == "https"
    assert scheme(PROXY, ("forwarded", "for=_hidden;proto=https"), header="forwarded") == "https"
    both = f"for={CLIENT};proto=https, for={OTHER_PROXY};proto=http"
    assert scheme(PROXY, ("forwarded", both), header="forwarded") == "https"

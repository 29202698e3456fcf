"""The exchange of counts between gateways, without Kafka in between."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from prometheus_client import REGISTRY

from apps.gateway.rate_limit_sync import RateLimitSync
from shared.contracts.errors import ServiceError
from shared.contracts.rate_limits import Taken
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.rate_limits.policies import RateLimits
from shared.edge.request_context import RequestContext
from tests.unit.kit.rpc.calls import SIGNATURES

ADA = UUID(int=1)
NOW_MS = 1_777_636_800_000


class Node:
    """A gateway's limits and their synchronisation."""

    def __init__(self, per_minute: int = 20) -> None:
        self.now_ms = NOW_MS
        proxies = TrustedProxies((), "x-forwarded-for")
        self.limits = RateLimits(proxies, per_minute=per_minute, sign_ins_per_minute=4, callers_max=1000)
        producer: Any = None
        self.sync = RateLimitSync(self.limits, producer, {}, SIGNATURES, lambda: self.now_ms)

    def take(self, count: int, public: bool = False) -> int:
        """Return how many of `count` requests are admitted."""
        passed = 0
        for _ in range(count):
            scope: Any = {"client": ("203.0.113.7", 1), "headers": []}
            context = RequestContext(scope, None, lambda: "id", 0)  # type: ignore[arg-type]
            try:
                if public:
                    self.limits.charge_sign_in(context)
                else:
                    self.limits.charge(ADA, context)
                passed += 1
            except ServiceError:
                pass
        return passed

    def snapshot(self) -> bytes:
        record = self.sync.snapshot()
        assert record is not None
        return record.value


def late_records() -> float:
    return REGISTRY.get_sample_value("concord_limits_late_total") or 0


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    yield Node(), Node()


def test_two_gateways_keep_one_limit(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    assert one.take(12) == 12
    two.sync.apply(one.snapshot())
    assert two.take(20) == 8
    one.sync.apply(two.snapshot())
    assert one.take(5) == 0


def test_sign_ins_are_shared_from_the_first_on(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    assert one.take(1, public=True) == 1
    taken = msgspec.json.decode(one.snapshot(), type=Taken)
    assert taken.sign_ins == {"203.0.113.7": 1}
    two.sync.apply(msgspec.json.encode(taken))
    assert two.take(9, public=True) == 3


def test_callers_with_few_requests_are_not_shared() -> None:
    node = Node(per_minute=100)
    node.take(4)
    assert node.sync.snapshot() is None
    node.take(1)
    assert msgspec.json.decode(node.snapshot(), type=Taken).callers == {ADA: 5}
    assert node.sync.snapshot() is None


def test_a_record_read_twice_counts_once_and_ones_own_not_at_all(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    one.take(5)
    first = one.snapshot()
    one.take(5)
    second = one.snapshot()  # in the same millisecond
    for value in (first, second, first, second):
        two.sync.apply(value)
        one.sync.apply(value)
    assert (one.take(20), two.take(20)) == (10, 10)


def test_requests_paid_back_before_the_record_arrives_do_not_count(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    one.take(20)
    two.now_ms += 30_000
    value = one.snapshot()
    two.sync.apply(value)
    assert two.take(30) == 10
    late = Node()
    late.now_ms += 61_000
    before = late_records()
    late.sync.apply(value)
    assert late.take(30) == 20
    assert late_records() == before + 1, "clocks that differ by this much show in the metrics"


def test_clocks_that_differ_make_nothing_older_than_now(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    two.now_ms -= 3_600_000
    one.take(12)
    two.sync.apply(one.snapshot())
    assert two.take(20) == 8


@pytest.mark.parametrize(
    "value",
    [b"", b"{}", b"[]", b"\xff", b'{"node": "x"}',
     b'{"node": "x", "atMs": 1, "callers": {"nobody": 1}, "networks": {}, "signIns": {}}',
     b'{"node": "x", "atMs": 1, "callers": {}, "networks": {"a": 0}, "signIns": {}}',
     b'{"node": "x", "atMs": 1, "callers": {}, "networks": {"a": -5}, "signIns": {}}',
     b'{"node": "x", "atMs": -1, "callers": {}, "networks": {}, "signIns": {}}'],
)  # fmt: skip
def test_invalid_records_are_rejected_and_change_nothing(value: bytes) -> None:
    node = Node()
    with pytest.raises(msgspec.MsgspecError):
        node.sync.apply(value)
    assert node.take(30) == 20


def test_the_oldest_nodes_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.gateway.rate_limit_sync._NODES_MAX", 3)
    node = Node()
    for number in range(10):
        taken = Taken(node=f"n{number}", at_ms=NOW_MS, callers={}, networks={}, sign_ins={})
        node.sync.apply(msgspec.json.encode(taken))
    assert list(node.sync._applied_ms) == ["n7", "n8", "n9"]

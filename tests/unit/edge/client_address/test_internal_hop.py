"""Only a gateway can mark a request as charged, for one token and a short time."""

from dataclasses import dataclass

from shared.edge.client_address.internal_hop import InternalHop
from shared.kit.security.record_signatures import RecordSigner
from tests.unit.kit.rpc.calls import SIGNATURES

TOKEN = b"Bearer a.b.c"


@dataclass
class At:
    now_ms: int = 1_777_636_800_000

    def __call__(self) -> int:
        return self.now_ms


def test_it_holds_for_its_token_and_a_minute() -> None:
    at = At()
    internal_hop = InternalHop(SIGNATURES, at)
    _, value = internal_hop.header(TOKEN)
    assert internal_hop.verify(value, TOKEN)
    assert not internal_hop.verify(value, b"Bearer d.e.f")
    at.now_ms += 59_000
    assert internal_hop.verify(value, TOKEN)
    at.now_ms += 2_000
    assert not internal_hop.verify(value, TOKEN)


def test_nobody_else_can_write_it() -> None:
    at = At()
    internal_hop = InternalHop(SIGNATURES, at)
    _, value = internal_hop.header(TOKEN)
    until, _, signature = value.partition(b".")
    later = b"%d" % (int(until) + 1)
    _, stranger = InternalHop(RecordSigner("x" * 32), at).header(TOKEN)
    record = until + b"." + SIGNATURES.signature("file.create", until, TOKEN, [])[1]
    for other in (later + b"." + signature, until + b".", b".", until, b"", b"\xff", stranger, record, None):
        assert not internal_hop.verify(other, TOKEN)

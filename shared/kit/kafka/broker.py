"""The FastStream broker of a process. It only consumes; records are sent by the kit's producer."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


def make_broker(options: Mapping[str, Any], instance: str) -> KafkaBroker:
    """Return a broker for these aiokafka options.

    Its client id begins with the instance. Members of a group are ordered by client id, so that the range
    assignor gives a replica the same partitions of every topic.
    """
    return KafkaBroker(
        options["bootstrap_servers"],
        client_id=instance,
        consumer_only=True,
        apply_types=False,
        security=_security(options),
        graceful_timeout=None,
        logger=logging.getLogger("concord.broker"),
        log_level=logging.DEBUG,
    )


async def start_together(broker: KafkaBroker) -> None:
    """Start all subscribers concurrently; `broker.start()` would start them one after the other.

    Those of one group then join in one rebalance: each further join would cost the others a heartbeat.
    """
    await broker.connect()
    await asyncio.gather(*(subscriber.start() for subscriber in broker.subscribers))
    broker.running = True


def _security(options: Mapping[str, Any]) -> BaseSecurity:
    protocol = options.get("security_protocol", "PLAINTEXT")
    tls = {"ssl_context": options.get("ssl_context"), "use_ssl": protocol.endswith("SSL")}
    if not protocol.startswith("SASL"):
        return BaseSecurity(**tls)
    security = _SASL[options["sasl_mechanism"]]
    return security(options["sasl_plain_username"], options["sasl_plain_password"], **tls)

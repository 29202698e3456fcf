"""The rights of each process in Kafka, from the catalogue; generates docs/kafka-access.md.

`python -m cli.generators.kafka_acls > docs/kafka-access.md`; with `--commands` it prints the commands that
grant the rights (kafka-acls.sh of Apache Kafka).
"""

import sys
from collections.abc import Iterable, Iterator

from msgspec import Struct

from shared.contracts.catalogue import EVENTS, OPERATIONS, SERVICES, operations_of
from shared.contracts.topics import (
    CONSUMER_GROUPS,
    LIMITS,
    RETRY_DELAYS_S,
    SUBSCRIPTIONS,
    all_topics,
    dead_letter_topic,
    reply_topic,
    retry_topic,
)

GATEWAY, PREPARE, OPERATOR = "gateway", "prepare", "operator"
TOPIC, GROUP = "topic", "group"

CALLS = {
    caller: tuple(operation for operation in OPERATIONS.values() if caller in operation.callers)
    for caller in (GATEWAY, *SERVICES)
}
"""The operations that each process calls, as the contracts declare; a caller has reply topics to read."""


class Grant(Struct, frozen=True, kw_only=True):
    """Operations on resources of one kind; with `prefixed` the names are prefixes of names."""

    principal: str
    resource: str
    names: tuple[str, ...]
    operations: tuple[str, ...]
    prefixed: bool = False


def grants() -> tuple[Grant, ...]:
    """Return all rights, by principal."""
    return (
        *_caller(GATEWAY),
        *_topics(GATEWAY, SUBSCRIPTIONS[GATEWAY], "Read"),
        *_topics(GATEWAY, (LIMITS,), "Read", "Write"),
        *(grant for service in SERVICES for grant in _service(service)),
        *_topics(PREPARE, (topic.name for topic in all_topics(1)), "Create", "Describe", "DescribeConfigs"),
        *_operator(),
    )


def _caller(principal: str) -> Iterator[Grant]:
    """Yield the rights of a caller: its requests, and its own reply topics, which it creates and deletes."""
    operations = CALLS[principal]
    if not operations:
        return
    yield from _topics(principal, (operation.name for operation in operations), "Write")
    replies = (reply_topic(principal, ""),)
    yield Grant(
        principal=principal,
        resource=TOPIC,
        names=replies,
        operations=("Create", "Read", "Write", "Delete", "DescribeConfigs"),
        prefixed=True,
    )


def _service(service: str) -> Iterator[Grant]:
    """Yield the rights of a service: its requests, replies to its callers, its events, its failures."""
    own = {operation.name for operation in operations_of(service)}
    callers = [name for name, called in CALLS.items() if own & {operation.name for operation in called}]
    yield from _topics(service, own, "Read")
    yield Grant(
        principal=service,
        resource=TOPIC,
        names=tuple(reply_topic(name, "") for name in callers),
        operations=("Write",),
        prefixed=True,
    )
    yield from _caller(service)
    published = {topic for event in EVENTS.values() if event.service == service for topic in event.topics}
    yield from _topics(service, published, "Write")
    yield from _topics(service, SUBSCRIPTIONS[service], "Read")
    retries = [retry_topic(service, delay_s) for delay_s in RETRY_DELAYS_S]
    if SUBSCRIPTIONS[service]:
        yield from _topics(service, retries, "Read", "Write")
    yield from _topics(service, (dead_letter_topic(service),), "Write")
    yield Grant(
        principal=service,
        resource=GROUP,
        names=(CONSUMER_GROUPS[service],),
        operations=("Read",),
        prefixed=True,  # <group>, <group>.events and <group>.retries
    )


def _operator() -> Iterator[Grant]:
    """Yield the rights of an operator: `concord trace` reads all topics, `concord dead-letters` redrives."""
    traced = {topic.name for topic in all_topics(1)} - {LIMITS}
    yield from _topics(OPERATOR, traced, "Read")
    callers = tuple(reply_topic(name, "") for name, operations in CALLS.items() if operations)
    yield Grant(principal=OPERATOR, resource=TOPIC, names=callers, operations=("Read",), prefixed=True)
    redriven = [retry_topic(service, RETRY_DELAYS_S[0]) for service in SERVICES]
    noted = [dead_letter_topic(service) for service in SERVICES]
    yield from _topics(OPERATOR, (*redriven, *noted), "Write")


def _topics(principal: str, names: Iterable[str], *operations: str) -> Iterator[Grant]:
    topics = tuple(sorted(names))
    if topics:
        yield Grant(principal=principal, resource=TOPIC, names=topics, operations=operations)


_HEAD = """# Access to Kafka

Every process signs in to Kafka as its own user (`KAFKA_SASL_USERNAME`) and has the rights of this page, and no
more. With the StandardAuthorizer and `allow.everyone.if.no.acl.found=false` (the default) everything else is
refused: auth cannot read messages, a gateway cannot publish events, no service reads the requests of another one.
The names of the users are in the first column; choose others if you like.

Reading, writing and deleting include `Describe`; `DescribeConfigs` shows a process which idle reply topics belong to its
mesh, to delete them. A name that ends in `*` is a prefix (`--resource-pattern-type
prefixed`). `prepare` is the user of `concord prepare`; processes started with `CONCORD_PREPARED=1` need none of its
rights. `operator` is the user of `concord trace` and `concord dead-letters`: the steps of a call may be in any topic,
so it reads all of them but `rate-limits`, which shows addresses. Passwords, tokens and signed addresses of files are
sealed there, messages are not: give this user only to people who may read those. An operator of dead letters alone
needs only the topics `*.dead-letters` (Read, Write) and `*.retry.1s` (Write).

This page is generated from the catalogue: `python -m cli.generators.kafka_acls > docs/kafka-access.md`. The commands that grant it all:

```bash
python -m cli.generators.kafka_acls --commands | KAFKA=broker:9092 ADMIN=admin.properties sh -eu
```

where `admin.properties` is the client configuration of an administrator, and `kafka-acls.sh` is in the path.

| user | resource | operations | names |
|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    rows = []
    for grant in grants():
        star = "*" if grant.prefixed else ""
        names = ", ".join(f"`{name}{star}`" for name in grant.names)
        every = {topic.name for topic in all_topics(1)}
        if every - {*grant.names} <= {LIMITS}:
            but = f" but `{LIMITS}`" if LIMITS not in grant.names else ""
            names = f"every topic of the catalogue{but}"
        elif grant.principal == GATEWAY and len(grant.names) == len(CALLS[GATEWAY]):
            but = ", ".join(
                f"`{operation.name}`" for operation in OPERATIONS.values() if operation not in CALLS[GATEWAY]
            )
            names = f"every request topic but {but}"
        rows.append(f"| {grant.principal} | {grant.resource} | {', '.join(grant.operations)} | {names} |\n")
    return _HEAD + "".join(rows)


def commands() -> Iterator[str]:
    """Yield a shell command for each grant."""
    for grant in grants():
        pattern = "prefixed" if grant.prefixed else "literal"
        operations = " ".join(f"--operation {operation}" for operation in grant.operations)
        names = " ".join(f"--{grant.resource} {name}" for name in grant.names)
        yield (
            'kafka-acls.sh --bootstrap-server "$KAFKA" --command-config "$ADMIN" --add '
            f"--allow-principal User:{grant.principal} --resource-pattern-type {pattern} {operations} {names}"
        )


if __name__ == "__main__":
    sys.stdout.write("\n".join(commands()) + "\n" if "--commands" in sys.argv else page())

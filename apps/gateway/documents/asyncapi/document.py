"""The AsyncAPI 3.0 document of the services, generated from the catalogue: every topic, every message.

Operations are described from the side of the services: they receive requests and send replies and events.
"""

from collections.abc import Iterable

from apps.gateway.documents.asyncapi.headers import Json
from apps.gateway.documents.asyncapi.messages import BINDING_VERSION, messages, schemas
from apps.gateway.documents.asyncapi.operations import messages_on, operations, reply_channel
from shared.contracts.catalogue import OPERATIONS, SERVICES
from shared.contracts.topics import REPLY_RETENTION_MS, Topic, all_topics

_DESCRIPTION = """\
The messages that the services of Concord exchange through Kafka. Each operation has a request topic of the
same name; the reply goes to the topic in the request's `reply_to` header, with the same `call_id`. Bodies
are JSON, headers are UTF-8 text, keys are the ids whose order is kept. Delivery is at least once; effects
happen once, because requests carry a `call_id` or an `idempotency_key`, and events an id and a revision.
Records that cannot be processed go to retry topics, and finally to the dead letters.

Every record carries a `signature` made with the secret that the services share; unsigned records are
rejected. The signature is the first 16 bytes of an HMAC-SHA256, in hexadecimal. Its key is derived with
HKDF-SHA256 (no salt, info `concord record signature 1`). It covers the (shortest) MessagePack encoding of an
array: the topic (for events: the header `topics`), the key (nil if absent), the body as bytes, and an array
of the other headers in the order of the record, each a pair of its name as text and its value as bytes.
Failure headers are not covered.

Passwords, tokens and signed addresses are encrypted (HPKE, RFC 9180: X25519, HKDF-SHA256, AES-128-GCM):
those of a request to a key that `keys.get` returns for the audience `sealing`, those of an answer to the
request's `reply_key`.
"""


def asyncapi_document(
    *, version: str = "0.1.0", bootstrap: str = "localhost:9092", partitions: int = 4, replicas: int = 1
) -> Json:
    """Return the document as a JSON object; `partitions` and `replicas` are those of new topics."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Concord", "version": version, "description": _DESCRIPTION, "tags": _tags()},
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": bootstrap, "protocol": "kafka", "description": "Apache Kafka 3.8 or newer"}
        },
        "channels": _channels(all_topics(partitions), replicas),
        "operations": operations(),
        "components": {"messages": messages(), "schemas": schemas()},
    }


def _tags() -> list[Json]:
    return [{"name": name} for name in (*SERVICES, "events", "failures", "limits")]


def _channels(topics: tuple[Topic, ...], replicas: int) -> dict[str, Json]:
    channels = {topic.name: _channel(topic, replicas) for topic in topics}
    replies = {reply_channel(name): _reply_channel(name, replicas) for name in OPERATIONS}
    return {**channels, **replies}


def _reply_channel(operation: str, replicas: int) -> Json:
    return {
        # Null: the address is known at run time only, from the request's header.
        "address": None,
        "title": f"Replies to {operation}",
        "description": (
            "The topic `<service>.replies.<instance>` of the caller: each calling process has one, with one "
            "partition, and reads it without a consumer group."
        ),
        "messages": _refs(messages_on(reply_channel(operation))),
        "bindings": _topic_binding(1, replicas, REPLY_RETENTION_MS),
    }


def _channel(topic: Topic, replicas: int) -> Json:
    return {
        "address": topic.name,
        "title": topic.name,
        "description": topic.summary,
        "messages": _refs(messages_on(topic.name)),
        "bindings": _topic_binding(topic.partitions, replicas, int(topic.config["retention.ms"])),
    }


def _topic_binding(partitions: int, replicas: int, retention_ms: int) -> Json:
    config = {"cleanup.policy": ["delete"], "retention.ms": retention_ms}
    binding = {"partitions": partitions, "replicas": replicas, "topicConfiguration": config}
    return {"kafka": {**binding, "bindingVersion": BINDING_VERSION}}


def _refs(names: Iterable[str]) -> dict[str, Json]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}

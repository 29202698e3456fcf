"""The AsyncAPI 3.0 document of the mesh, generated from the catalogue: every topic, every message.

Operations are told from the mesh's side: it receives requests and replies to them, it sends events.
"""

from collections.abc import Iterable

from apps.gateway.documents.asyncapi.headers import Json
from apps.gateway.documents.asyncapi.messages import BINDING_VERSION, messages, schemas
from apps.gateway.documents.asyncapi.operations import messages_on, operations, reply_channel
from shared.contracts.catalogue import OPERATIONS, SERVICES
from shared.contracts.topics import REPLY_RETENTION_MS, Topic, all_topics

_DESCRIPTION = """\
How the services of Concord talk to each other through Kafka. Requests go to one topic a pattern, under
the pattern's name; the answer comes to the topic that the request's `reply_to` names, with the same
`call_id`. Bodies are JSON, headers are text in UTF-8, keys are the ids whose order matters. Delivery is
at least once; effects happen once, because requests carry a `call_id` or an `idempotency_key` and events
an id and a revision. What can not be processed waits in retry topics and ends among the dead letters.

Every record carries a `signature` made with the mesh's secret, and what has none is refused. It is
HMAC-SHA256, 16 bytes of it in hexadecimal, with a key of HKDF-SHA256 (no salt, info `concord record
signature 1`), over the (shortest) MessagePack of an array: the topic (of events: the header `topics`),
the key (nil if there is none) and the body as bytes, and an array of the other headers in the order of
the record, each a pair of its name as text and its value as bytes. Failure headers are no part of it.

Passwords, tokens and signed addresses stand here sealed (HPKE, RFC 9180: X25519, HKDF-SHA256, AES-128-GCM):
those of a request to a key that `keys.get` gives for the audience `sealing`, those of an answer to the
request's `reply_key`.
"""


def asyncapi_document(
    *, version: str = "0.1.0", bootstrap: str = "localhost:9092", partitions: int = 4, replicas: int = 1
) -> Json:
    """The document as a JSON object; `partitions` and `replicas` are those of new topics."""
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
        # Null means: known at run time only, from the request's header.
        "address": None,
        "title": f"Replies to {operation}",
        "description": (
            "The caller's topic `<service>.replies.<instance>`: one of one partition for each process that "
            "calls, read without a consumer group."
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

"""The operations of the AsyncAPI document, from the side of the services: request in, event out."""

from apps.gateway.documents.asyncapi.headers import Json
from apps.gateway.documents.asyncapi.messages import BINDING_VERSION, errors_of
from shared.contracts.catalogue import EVENTS, OPERATIONS, SERVICES
from shared.contracts.operation import Operation
from shared.contracts.topics import CONSUMER_GROUPS, LIMITS, RETRY_DELAYS_S, dead_letter_topic, retry_topic


def operations() -> dict[str, Json]:
    """Return all operations: requests, events, retries and dead letters, and shared rate limits."""
    return {**_requests(), **_events(), **_failures(), **_limits()}


def reply_channel(operation: str) -> str:
    """Return the channel of an operation's replies. It stands for the reply topics of all callers."""
    return f"{operation}.reply"


def messages_on(topic: str) -> list[str]:
    """Return the ids of the messages that a topic carries."""
    if topic in OPERATIONS:
        return [f"{topic}.request"]
    if topic.removesuffix(".reply") in OPERATIONS:
        name = topic.removesuffix(".reply")
        return [f"{name}.answer", f"{name}.error"]
    if topic == LIMITS:
        return ["limits.taken"]
    return [event.name for event in EVENTS.values() if topic in event.topics] or ["failed-record"]


def _requests() -> dict[str, Json]:
    return {operation.name: _request(operation) for operation in OPERATIONS.values()}


def _request(operation: Operation) -> Json:
    replies = reply_channel(operation.name)
    return {
        "action": "receive",
        "channel": _to_channel(operation.name),
        "title": operation.summary,
        "description": _description(operation),
        "tags": [{"name": operation.service}],
        "bindings": _group(CONSUMER_GROUPS[operation.service]),
        "messages": [_to_message(operation.name, f"{operation.name}.request")],
        "reply": {
            "address": {"location": "$message.header#/reply_to"},
            "channel": _to_channel(replies),
            "messages": [_to_message(replies, name) for name in messages_on(replies)],
        },
    }


def _description(operation: Operation) -> str:
    lines = [operation.description] if operation.description else []
    lines += [f"May also return {status}: {meaning}" for status, meaning in operation.also.items()]
    lines += [
        "",
        "Errors:",
        *(f"* `{error.name}` ({error.status}): {error.title}" for error in errors_of(operation)),
    ]
    return "\n".join(lines).strip()


def _events() -> dict[str, Json]:
    topics = sorted({topic for event in EVENTS.values() for topic in event.topics})
    return {f"send.{topic}": _sending(topic, "events") for topic in topics}


def _failures() -> dict[str, Json]:
    by_id: dict[str, Json] = {}
    for service in SERVICES:
        for delay_s in RETRY_DELAYS_S:
            topic = retry_topic(service, delay_s)
            group = _group(f"{CONSUMER_GROUPS[service]}.retries")
            by_id[f"receive.{topic}"] = {
                **_sending(topic, "failures"),
                "action": "receive",
                "bindings": group,
            }
        dead_letters = dead_letter_topic(service)
        by_id[f"send.{dead_letters}"] = _sending(dead_letters, "failures")
    return by_id


def _limits() -> dict[str, Json]:
    sending = _sending(LIMITS, "limits")
    return {f"send.{LIMITS}": sending, f"receive.{LIMITS}": {**sending, "action": "receive"}}


def _sending(topic: str, tag: str) -> Json:
    return {
        "action": "send",
        "channel": _to_channel(topic),
        "tags": [{"name": tag}],
        "messages": [_to_message(topic, name) for name in messages_on(topic)],
    }


def _group(name: str) -> Json:
    group = {"groupId": {"type": "string", "enum": [name]}, "bindingVersion": BINDING_VERSION}
    return {"kafka": group}


def _to_channel(name: str) -> Json:
    return {"$ref": f"#/channels/{name}"}


def _to_message(channel: str, name: str) -> Json:
    return {"$ref": f"#/channels/{channel}/messages/{name}"}

"""The records in Kafka as the AsyncAPI document describes them: channels, operations, messages, headers."""

from tests.unit.public_contract.schemas import Json, fields_of, rules_of


def kafka_messages(document: Json) -> Json:
    """Return channels, operations and messages by name, and every header that some message has."""
    messages = document["components"]["messages"]
    return {
        "channels": {name: _channel(channel) for name, channel in document["channels"].items()},
        "operations": {name: _operation(operation) for name, operation in document["operations"].items()},
        "messages": {name: _message(message, document) for name, message in messages.items()},
        "headers": sorted(
            {name for message in messages.values() for name in message["headers"]["properties"]}
        ),
    }


def _channel(channel: Json) -> Json:
    binding = channel["bindings"]["kafka"]
    config = {name: str(value) for name, value in binding["topicConfiguration"].items()}
    return {
        "address": channel["address"],
        "partitions": binding["partitions"],
        "config": config,
        "messages": ", ".join(channel["messages"]),
    }


def _operation(operation: Json) -> Json:
    entry: Json = {"action": operation["action"], "channel": _name(operation["channel"])}
    entry["messages"] = _names(operation["messages"])
    if group := operation.get("bindings", {}).get("kafka", {}).get("groupId"):
        entry["group"] = ", ".join(group["enum"])
    if reply := operation.get("reply"):
        entry["reply"] = f"{_name(reply['channel'])}: {_names(reply['messages'])}"
        entry["reply address"] = reply["address"]["location"]
    return entry


def _message(message: Json, document: Json) -> Json:
    headers = message["headers"]
    entry: Json = {
        "headers": {
            name: rules_of(header) + ("" if name in headers["required"] else " optional")
            for name, header in headers["properties"].items()
        }
    }
    if "correlationId" in message:
        entry["correlation"] = message["correlationId"]["location"]
    if "payload" in message:
        entry["payload"] = fields_of(message["payload"], document)
    return entry


def _names(references: list[Json]) -> str:
    return ", ".join(map(_name, references))


def _name(reference: Json) -> str:
    return str(reference["$ref"]).rpartition("/")[2]

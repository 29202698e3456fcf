"""The HTTP API as the OpenAPI document shows it: paths, parameters, bodies, answers, codes of errors."""

from tests.unit.public_contract.schemas import Json, fields_of, rules_of

PROBLEM = "application/problem+json"


def http_api(document: Json) -> Json:
    """Return every operation by `METHOD /path`, and once the fields of a problem."""
    calls = {
        f"{method.upper()} {path}": _call(operation, document)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    return {"calls": calls, "problem": _problem(document)}


def _call(operation: Json, document: Json) -> Json:
    call: Json = {
        "operationId": operation["operationId"],
        "tag": " ".join(operation["tags"]),
        "token": bool(operation["security"]),
        "servers": len(operation.get("servers", ())),
        "parameters": {
            f"{parameter['in']} {parameter['name']}": rules_of(parameter["schema"])
            + ("" if parameter.get("required") else " optional")
            for parameter in operation["parameters"]
        },
        "responses": {
            status: _response(response, document) for status, response in operation["responses"].items()
        },
    }
    if "requestBody" in operation:
        call["body"] = {
            media_type: fields_of(content["schema"], document)
            for media_type, content in operation["requestBody"]["content"].items()
        }
    return call


def _response(response: Json, document: Json) -> Json:
    entry: Json = {"headers": ", ".join(sorted(response.get("headers", ())))}
    for media_type, content in response.get("content", {}).items():
        if media_type == PROBLEM:
            entry["errors"] = ", ".join(sorted(content["examples"]))
        else:
            entry[media_type] = fields_of(content["schema"], document) if "schema" in content else {}
    return entry


def _problem(document: Json) -> Json:
    """Return the fields that all problems have. Raises ValueError when they are not the same everywhere."""
    schemas = [
        fields_of(response["content"][PROBLEM]["schema"], document)
        for operations in document["paths"].values()
        for operation in operations.values()
        for response in operation["responses"].values()
        if PROBLEM in response.get("content", {})
    ]
    if any(schema != schemas[0] for schema in schemas):
        raise ValueError("problems have different fields")
    return schemas[0]

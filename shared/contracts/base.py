"""The base structs: camelCase in JSON, snake_case in Python.

A *body* comes from an HTTP client: unknown fields are rejected. *Requests* and *answers* travel through
Kafka: unknown fields are ignored, so that processes of two versions understand each other during a rolling
upgrade (new fields have defaults, none is renamed).
"""

from msgspec import Struct


class Body(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A JSON body or a query as a caller sends it."""


class Request(Struct, kw_only=True, rename="camel"):
    """A request of the gateway or of a service: the body, the ids of the path, the caller."""


class Answer(Struct, kw_only=True, rename="camel"):
    """The answer of a service; its bytes are the HTTP body."""

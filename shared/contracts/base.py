"""The base structs: camelCase in JSON, snake_case in Python.

A *body* is what a person sends over HTTP: unknown fields are refused. A *request* is what travels
through Kafka and an *answer* what comes back: unknown fields are let pass, so that processes of two
versions understand each other while an upgrade rolls (new fields have defaults, none is renamed).
"""

from msgspec import Struct


class Body(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A JSON body or a query as a caller sends it."""


class Request(Struct, kw_only=True, rename="camel"):
    """What the gateway (or a service) asks a service: the body, the ids of the path, the caller."""


class Answer(Struct, kw_only=True, rename="camel"):
    """What a service answers: these bytes are the HTTP body."""

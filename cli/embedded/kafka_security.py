"""A second door of an embedded Kafka, as a production broker has it: TLS, SCRAM, and an authorizer.

The first door stays as it is, for the controller and for whoever runs the machine: nobody else may use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.ports import LOOPBACK

MECHANISM = "SCRAM-SHA-512"
LISTENER = "SECURE"


@dataclass(frozen=True)
class KafkaSecurity:
    """`keystore` is a PEM file with the broker's key and certificate, `users` are passwords by name.

    The users are made when the storage is formatted: later changes have no effect.
    """

    port: int
    keystore: Path
    users: Mapping[str, str]

    @property
    def bootstrap(self) -> str:
        """What clients connect to, with `SASL_SSL`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def listener(self) -> str:
        """As `listeners` and `advertised.listeners` name it."""
        return f"{LISTENER}://{self.bootstrap}"

    def properties(self) -> dict[str, str]:
        """What the broker's properties have beside the listener."""
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{LISTENER}:SASL_SSL",
            "sasl.enabled.mechanisms": MECHANISM,
            f"listener.name.{LISTENER.lower()}.{MECHANISM.lower()}.sasl.jaas.config": module,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def format_arguments(self) -> list[str]:
        """What makes the users."""
        return [
            word
            for name, password in self.users.items()
            for word in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
        ]

"""A broker with TLS, SCRAM and an authorizer, and the ACLs of the documents applied to it."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from cli.config.ports import LOOPBACK, free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from cli.generators.kafka_acls import Grant
from tests.unit.kit.rpc.calls import SECRET

# As Kafka's protocol numbers them.
RESOURCES = {"topic": 2, "group": 3}
PATTERNS = {False: 3, True: 4}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Describe": 8, "DescribeConfigs": 10}
ALLOW = 3
MECHANISM = "SCRAM-SHA-512"
LISTENER = "SECURE"


class SecuredKafka:
    """The broker, and what each user needs to get in."""

    def __init__(self, folder: Path, jars: JarCache, users: Iterable[str]) -> None:
        self.passwords = {user: secrets.token_urlsafe(16) for user in users}
        self.certificate, keystore = folder / "ca.pem", folder / "broker.pem"
        make_certificate(self.certificate, keystore)
        self.bootstrap = f"{LOOPBACK}:{free_port()}"
        self.broker = EmbeddedKafka(
            folder / "kafka",
            free_port(),
            jars,
            folder / "kafka.log",
            extra_properties=second_door(self.bootstrap, keystore),
            format_arguments=scram_users(self.passwords),
        )

    def environ(self, user: str, password: str | None = None) -> dict[str, str]:
        """The settings of a process that signs in as this user."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "MESH_SECRET": SECRET,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": MECHANISM,
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": password or self.passwords[user],
            "KAFKA_SSL_CAFILE": str(self.certificate),
        }

    async def allow(self, grants: Iterable[Grant]) -> None:
        """Apply them, by the door of whoever runs the machine."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker.bootstrap)
        await admin.start()
        try:
            for grant in grants:
                for name in grant.names:
                    for operation in grant.operations:
                        request = CreateAclsRequest(
                            RESOURCES[grant.resource],
                            name,
                            PATTERNS[grant.prefixed],
                            f"User:{grant.principal}",
                            "*",
                            OPERATIONS[operation],
                            ALLOW,
                        )
                        response = await admin._send_request(request)
                        assert response.creation_responses[0][0] == 0, response
        finally:
            await admin.close()


def second_door(bootstrap: str, keystore: Path) -> dict[str, str]:
    """Properties of a door as a production broker has it: TLS, SCRAM, and an authorizer.

    The first door stays as it is, for the controller and for whoever runs the machine.
    """
    module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "listeners": f"{LISTENER}://{bootstrap}",
        "advertised.listeners": f"{LISTENER}://{bootstrap}",
        "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{LISTENER}:SASL_SSL",
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.{LISTENER.lower()}.{MECHANISM.lower()}.sasl.jaas.config": module,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }


def scram_users(passwords: Mapping[str, str]) -> list[str]:
    """Return the format arguments that create the users."""
    return [
        word
        for name, password in passwords.items()
        for word in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
    ]


def make_certificate(certificate: Path, keystore: Path) -> None:
    """A certificate for 127.0.0.1 that is its own authority, and the key with it in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    public = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate.write_bytes(public)
    keystore.touch(mode=0o600)
    keystore.write_bytes(private + public)

"""The Kafka settings as options of aiokafka's clients."""

from typing import Any

from shared.kit.config.settings import ProcessSettings


def kafka_options(settings: ProcessSettings) -> dict[str, Any]:
    """Return the address of Kafka and the credentials: keyword arguments of aiokafka's producer, consumer
    and admin client.

    Raises OSError when the file of a certificate cannot be read.
    """
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": protocol,
    }
    if protocol.endswith("SSL"):
        from aiokafka.helpers import create_ssl_context

        options["ssl_context"] = create_ssl_context(
            cafile=settings.kafka_ssl_cafile or None,
            certfile=settings.kafka_ssl_certfile or None,
            keyfile=settings.kafka_ssl_keyfile or None,
            password=settings.kafka_ssl_password or None,
        )
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password
    return options

"""Kafka options: the settings as keyword arguments of aiokafka's clients."""

from shared.kit.config.settings import ProcessSettings, load
from shared.kit.kafka.options import kafka_options
from tests.unit.kit.rpc.calls import SECRET

MESH = {"MESH_SECRET": SECRET}


def test_kafka_options() -> None:
    plain = kafka_options(load(ProcessSettings, MESH | {"KAFKA_BOOTSTRAP_SERVERS": "k:1"}))
    assert plain == {"bootstrap_servers": "k:1", "security_protocol": "PLAINTEXT"}
    environ = {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "u",
        "KAFKA_SASL_PASSWORD": "p",
    }
    options = kafka_options(load(ProcessSettings, MESH | environ))
    assert options["ssl_context"].check_hostname
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("SCRAM-SHA-512", "u")

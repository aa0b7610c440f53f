"""librdkafka configurations for a given installation: security and the safe producer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.config import Settings


def client_config(settings: Settings) -> dict[str, str | int | float | bool]:
    """Brokers and security, for every kind of client."""
    config: dict[str, str | int | float | bool] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "log_level": 3,
        # As the Java clients: with librdkafka's 10 s everything stands still long after a broker
        # is back.
        "reconnect.backoff.max.ms": 1_000,
    }
    if settings.sasl_mechanism and settings.sasl_username and settings.sasl_password:
        config["sasl.mechanism"] = settings.sasl_mechanism
        config["sasl.username"] = settings.sasl_username
        config["sasl.password"] = settings.sasl_password.get_secret_value()
    for name, path in (
        ("ssl.ca.location", settings.ssl_ca_file),
        ("ssl.certificate.location", settings.ssl_cert_file),
        ("ssl.key.location", settings.ssl_key_file),
    ):
        if path is not None:
            config[name] = str(path)
    return config


def producer_config(settings: Settings) -> dict[str, str | int | float | bool]:
    """A producer whose success means: on all in-sync replicas, once, where Java would put it.

    librdkafka's default partitioner differs from the Java client's, so a key would be in another
    partition than every other Kafka client expects; ``murmur2_random`` is the Java one.
    """
    return {
        **client_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
    }

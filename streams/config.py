"""Settings of every process, read from the environment once, at the composition root.

All problems are reported at once and no secret is ever part of a message.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "CHECKOUT_RECOVERY_"


class ConfigurationError(Exception):
    """The environment can't be used as it is; the message lists every problem and its mend."""


class Settings(BaseSettings):
    """The settings of all processes; each reads the ones it needs.

    Every name has the prefix ``CHECKOUT_RECOVERY_`` in the environment.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    # Kafka
    bootstrap_servers: str = Field(
        "localhost:9092", description="Kafka brokers to start from, host:port, comma-separated."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism, with a SASL security protocol."
    )
    sasl_username: str | None = Field(None, description="SASL user name.")
    sasl_password: SecretStr | None = Field(None, description="SASL password.")
    ssl_ca_file: Path | None = Field(None, description="PEM of the authority of the brokers.")
    ssl_cert_file: Path | None = Field(None, description="PEM of our certificate, for mutual TLS.")
    ssl_key_file: Path | None = Field(None, description="PEM of our private key, for mutual TLS.")
    topic_prefix: str = Field(
        "", description="Put before every topic, group and transactional id, as in 'staging.'."
    )
    topics_file: Path | None = Field(
        None, description="The topic table; default: the one shipped with the package."
    )

    # Schema Registry; the services need none
    schema_registry_url: str | None = Field(
        None,
        pattern=r"^https?://[^/@\s]+(/\S*)?$",
        description="Address of a Schema Registry for `schemas register` and `schemas check`.",
    )
    schema_registry_username: str | None = Field(None, description="Its user name, if it has any.")
    schema_registry_password: SecretStr | None = Field(None, description="The user's password.")
    schema_registry_ca_file: Path | None = Field(
        None, description="PEM of the authority of the registry."
    )

    # Ingress
    wix_public_keys: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Public keys of the Wix apps: PEM files or folders of them, comma-separated.",
    )
    ingress_host: str = Field("127.0.0.1", description="Address the ingress listens on.")
    ingress_port: int = Field(8080, ge=0, le=65535, description="Port of the ingress; 0: free.")
    ingress_max_in_flight: int = Field(
        4096, ge=1, description="Webhooks waiting for Kafka before new ones are answered 503."
    )
    ingress_deadline_ms: int = Field(
        900,
        ge=50,
        le=1200,
        description="Answer 503 to what Kafka has not acknowledged by then (Wix waits 1250 ms).",
    )

    # Worker
    worker_slot: str | None = Field(
        None,
        description="Stable name of this worker (a StatefulSet's ordinal): static membership and "
        "transactional id. Unset: both are random.",
    )
    commit_interval_ms: int = Field(
        100, ge=5, le=10_000, description="Time between transactions, in milliseconds."
    )
    session_timeout_ms: int = Field(
        30_000, ge=6_000, description="Kafka group session timeout, in milliseconds."
    )
    transaction_timeout_ms: int = Field(
        60_000, ge=10_000, description="Kafka transaction timeout, in milliseconds."
    )
    windows: Annotated[tuple[timedelta, ...], NoDecode] = Field(
        (timedelta(hours=1), timedelta(hours=24), timedelta(days=7), timedelta(days=30)),
        description="Windows of the rates, as in '1h,24h,7d,30d'.",
    )
    horizon: timedelta = Field(
        timedelta(days=7), description="Time a checkout has to recover in the matured rate."
    )
    announce_within: timedelta = Field(
        timedelta(days=7),
        description="checkout.abandoned is published at most this long after the abandonment.",
    )

    # API
    database_url: SecretStr = Field(
        SecretStr("sqlite:///checkout-recovery.db"),
        description="The read model's database: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/"
        "NAME. Processes that share a PostgreSQL split the work.",
    )
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8081, ge=0, le=65535, description="Port of the API; 0: free.")
    api_tokens_file: Path | None = Field(
        None,
        description="JSON list of the tokens that may ask (docs/api.md); read again when it "
        "changes.",
    )
    api_tokens: SecretStr | None = Field(
        None, description="The same list itself, beside that of the file."
    )
    api_secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Seals cursors, short-lived tokens and the page's sessions; the same in all "
        "processes behind one address. Unset: a random one, and a restart makes the old ones void.",
    )
    api_requests_per_minute: int = Field(
        6_000, ge=1, description="Requests a minute of one token, in each process."
    )
    api_time_zone: str = Field(
        "UTC", description="Time zone of the days in get-analytics, as in Europe/Berlin."
    )
    rates_kept: timedelta = Field(
        timedelta(days=400), description="How long the history of the rates is kept, as in '400d'."
    )

    # Metrics and health of workers
    metrics_host: str = Field("127.0.0.1", description="Address of metrics and health probes.")
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port of metrics and health probes; 0: free; unset: none."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json, console, or auto: console on a terminal, json elsewhere."
    )

    @field_validator("wix_public_keys", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("api_time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, OSError, ValueError):
            raise ValueError(f"{name!r} is no time zone; write one as in Europe/Berlin") from None
        return name

    @field_validator("windows", mode="before")
    @classmethod
    def _split_windows(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(parse_duration(part) for part in value.split(","))
        return value

    @field_validator("horizon", "announce_within", "rates_kept", mode="before")
    @classmethod
    def _duration(cls, value: object) -> object:
        return parse_duration(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Settings:
        if self.security_protocol.startswith("SASL") and not (
            self.sasl_mechanism and self.sasl_username and self.sasl_password
        ):
            raise ValueError(
                f"{self.security_protocol} needs {PREFIX}SASL_MECHANISM, "
                f"{PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
            )
        return self

    @model_validator(mode="after")
    def _registry_user_has_a_password(self) -> Settings:
        if (self.schema_registry_username is None) is not (self.schema_registry_password is None):
            raise ValueError(
                f"{PREFIX}SCHEMA_REGISTRY_USERNAME and {PREFIX}SCHEMA_REGISTRY_PASSWORD go together"
            )
        return self

    def topic(self, name: str) -> str:
        """The name of a topic, group or transactional id with this installation's prefix."""
        return self.topic_prefix + name


def parse_duration(text: str) -> timedelta:
    """Read '90s', '5m', '24h' or '30d'.

    Raises:
        ValueError: it is none of these, or zero.
    """
    match = re.fullmatch(r"\s*(\d+)\s*([smhd])\s*", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no duration; write it as 90s, 5m, 24h or 30d")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return timedelta(**{unit: int(match[1])})


def load_settings(**overrides: object) -> Settings:
    """Read the environment; arguments win over it, None means not given.

    Raises:
        ConfigurationError: with every problem, one a line; values are not repeated.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic validates them
    except ValidationError as error:
        lines = [
            f"  {PREFIX}{str(problem['loc'][0]).upper() if problem['loc'] else '…'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError("The settings can't be used:\n" + "\n".join(lines)) from None

"""What the doctor says of settings, keys, brokers' limits and clocks, without Kafka."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.doctor import Finding, State, diagnose
from streams.adapters.doctor.brokers import check_limits
from streams.adapters.doctor.clock import compare, is_synchronized
from streams.adapters.doctor.database import check_database
from streams.adapters.doctor.host import check_keys, check_libraries, check_settings
from streams.config import load_settings

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def only(findings: list[Finding]) -> Finding:
    [finding] = findings
    return finding


def test_settings_that_fit_are_ok() -> None:
    assert only(check_settings(load_settings())).state is State.OK


def test_a_transaction_shorter_than_the_session_is_a_problem() -> None:
    settings = load_settings(session_timeout_ms=40_000, transaction_timeout_ms=20_000)
    finding = only(check_settings(settings))
    assert finding.state is State.PROBLEM
    assert "CHECKOUT_RECOVERY_TRANSACTION_TIMEOUT_MS to at least 40000" in finding.mend


@pytest.mark.parametrize(
    ("servers", "protocol", "state"),
    [
        ("localhost:9092", "PLAINTEXT", State.OK),
        ("127.0.0.1:9092,[::1]:9092", "PLAINTEXT", State.OK),
        ("kafka.shop.example:9092", "PLAINTEXT", State.WARNING),
        ("localhost:9092,kafka.shop.example:9092", "PLAINTEXT", State.WARNING),
        ("kafka.shop.example:9092", "SSL", State.OK),
    ],
)
def test_unencrypted_traffic_beyond_this_machine_is_a_warning(
    servers: str, protocol: str, state: State
) -> None:
    settings = load_settings(bootstrap_servers=servers, security_protocol=protocol)
    assert only(check_settings(settings)).state is state


def test_every_certificate_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = load_settings(ssl_ca_file=tmp_path / "ca.pem", ssl_key_file=tmp_path / "key.pem")
    findings = check_settings(settings)
    assert [finding.state for finding in findings] == [State.PROBLEM, State.PROBLEM]
    assert "SSL_CA_FILE" in findings[0].what
    assert "SSL_KEY_FILE" in findings[1].what


def test_a_good_key_is_shown_with_a_fingerprint_and_a_bad_one_with_its_reason(
    tmp_path: Path,
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    (tmp_path / "shop.pem").write_bytes(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "torn.pem").write_text("-----BEGIN PUBLIC KEY-----\nMIIB", "utf-8")
    findings = check_keys(load_settings(wix_public_keys=str(tmp_path)))
    assert {finding.state for finding in findings} == {State.OK, State.PROBLEM}
    good = next(finding for finding in findings if finding.state is State.OK)
    assert good.what.startswith("shop: RSA 2048 bits, SHA-256 ")
    bad = next(finding for finding in findings if finding.state is State.PROBLEM)
    assert "torn.pem" in bad.what
    assert "MIIB" not in bad.what


def test_no_keys_are_a_warning_and_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    assert only(check_keys(load_settings())).state is State.WARNING
    assert only(check_keys(load_settings(wix_public_keys=str(tmp_path)))).state is State.PROBLEM


def test_the_libraries_of_the_lock_are_ok() -> None:
    finding = only(check_libraries())
    assert finding.state is State.OK
    assert "faust-streaming 0.15.3" in finding.what


@pytest.mark.parametrize(
    ("config", "state", "word"),
    [
        ({"group.min.session.timeout.ms": "45000"}, State.PROBLEM, "SESSION_TIMEOUT_MS"),
        ({"group.max.session.timeout.ms": "10000"}, State.PROBLEM, "SESSION_TIMEOUT_MS"),
        ({"transaction.max.timeout.ms": "30000"}, State.PROBLEM, "TRANSACTION_TIMEOUT_MS"),
        ({"unclean.leader.election.enable": "true"}, State.PROBLEM, "false"),
        ({"auto.create.topics.enable": "true"}, State.WARNING, "topics apply"),
        ({"offsets.retention.minutes": "60"}, State.WARNING, "10080"),
    ],
)
def test_a_brokers_setting_against_ours_is_found(
    config: dict[str, str], state: State, word: str
) -> None:
    finding = only(check_limits(load_settings(), config))
    assert finding.state is state
    assert word in finding.mend


def test_brokers_with_kafkas_defaults_suit() -> None:
    config = {
        "group.min.session.timeout.ms": "6000",
        "group.max.session.timeout.ms": "1800000",
        "transaction.max.timeout.ms": "900000",
        "unclean.leader.election.enable": "false",
        "auto.create.topics.enable": "false",
        "offsets.retention.minutes": "10080",
    }
    assert check_limits(load_settings(), config) == []


@pytest.mark.parametrize(
    ("newest", "kernel", "states"),
    [
        (NOW, True, [State.OK]),
        (None, True, [State.OK]),
        (None, None, [State.OK]),
        (NOW + timedelta(seconds=1), True, [State.OK]),
        (NOW + timedelta(seconds=30), True, [State.PROBLEM]),
        (NOW, False, [State.WARNING]),
        (NOW + timedelta(seconds=30), False, [State.PROBLEM, State.WARNING]),
    ],
)
def test_a_record_from_the_future_or_the_kernels_doubt_tells_of_a_wrong_clock(
    newest: datetime | None, kernel: Any, states: list[State]
) -> None:
    findings = compare(now=NOW, newest=newest, is_synchronized=kernel)
    assert [finding.state for finding in findings] == states


def test_the_kernel_can_be_asked_for_its_clock_without_rights() -> None:
    assert is_synchronized() in {True, False, None}


def test_without_a_broker_everything_else_is_still_looked_at() -> None:
    settings = load_settings(
        bootstrap_servers="127.0.0.1:9", session_timeout_ms=40_000, transaction_timeout_ms=20_000
    )
    findings = diagnose(settings, timeout_seconds=2)
    problems = [finding.check for finding in findings if finding.state is State.PROBLEM]
    assert problems == ["settings", "broker"]
    assert {finding.check for finding in findings} == {
        "settings",
        "keys",
        "database",
        "libraries",
        "broker",
    }


def test_no_finding_holds_a_password() -> None:
    settings = load_settings(
        bootstrap_servers="127.0.0.1:9",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="worker",
        sasl_password="planted-secret",  # noqa: S106  # planted to be looked for
    )
    findings = diagnose(settings, timeout_seconds=1)
    assert "planted-secret" not in "".join(map(repr, findings))


def test_a_database_that_is_not_there_yet_is_a_warning_and_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "model.db"
    finding = only(check_database(load_settings(database_url=f"sqlite:///{file}")).findings)
    assert finding.state is State.WARNING
    assert "api --migrate" in finding.mend
    assert not file.exists()


def test_a_database_without_tables_is_a_problem_and_with_them_it_is_ok(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/model.db"
    engine = writing_engine(url)
    engine.connect().close()
    finding = only(check_database(load_settings(database_url=url)).findings)
    assert finding.state is State.PROBLEM
    assert "api --migrate" in finding.what
    migrate(engine)
    engine.dispose()
    assert only(check_database(load_settings(database_url=url)).findings).state is State.OK


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_no_database_that_we_can_use_is_a_problem(url: str) -> None:
    assert only(check_database(load_settings(database_url=url)).findings).state is State.PROBLEM


def test_a_postgresql_that_does_not_answer_is_a_problem_without_its_password() -> None:
    url = "postgresql://someone:hunter2@127.0.0.1:1/db?connect_timeout=2"
    finding = only(check_database(load_settings(database_url=url)).findings)
    assert finding.state is State.PROBLEM
    assert "hunter2" not in finding.what + finding.mend

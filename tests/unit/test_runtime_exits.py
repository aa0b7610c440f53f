"""Every exit says what happened, and whether a restart is the cure; untested versions are named."""

from __future__ import annotations

import pytest

from streams.runtime import ExitCode, RuntimeSettings, make_app
from streams.runtime.selfcheck import TESTED, unsupported_versions

NEEDS_A_PERSON = {
    ExitCode.OK,
    ExitCode.OFFSETS_OUT_OF_ORDER,
    ExitCode.NOT_CO_ASSIGNED,
    ExitCode.SLOT_CONFLICT,
    ExitCode.CHANGELOG_LOST,
    ExitCode.POISON_STORM,
    ExitCode.STARTUP_CHECK_FAILED,
}


@pytest.mark.parametrize("code", ExitCode)
def test_a_restart_cures_all_but_what_a_person_has_to_mend(code: ExitCode) -> None:
    assert code.is_transient == (code not in NEEDS_A_PERSON)


def test_each_code_has_a_meaning_of_its_own() -> None:
    assert len({code.meaning for code in ExitCode}) == len(ExitCode)


def test_no_code_is_one_that_python_or_a_signal_gives() -> None:
    assert all(70 <= code < 84 for code in ExitCode if code != ExitCode.OK)


def test_a_library_of_another_version_is_named_with_the_cure() -> None:
    wrong, missing = unsupported_versions({"mode-streaming": "0.0.1", "no-such-library": "1.0"})
    assert wrong.startswith(f"mode-streaming is {TESTED['mode-streaming']}; ")
    assert "Install mode-streaming==0.0.1" in wrong
    assert missing.startswith("no-such-library is missing; the runtime was tested on 1.0.")


def test_the_installed_libraries_are_the_tested_ones() -> None:
    assert unsupported_versions() == []


def test_an_application_is_not_made_on_untested_libraries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TESTED, "confluent-kafka", "0.0.1")
    with pytest.raises(RuntimeError, match=r"confluent-kafka is .* tested on 0\.0\.1"):
        make_app(RuntimeSettings(client={}, group="g"))

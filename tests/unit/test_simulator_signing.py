from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import jwt
import pytest

from streams.adapters.keys import read_keys
from streams.demo.simulator.shops import APPS
from streams.demo.simulator.signing import Signer

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.mark.parametrize("app", range(APPS))
def test_pyjwt_verifies_each_apps_tokens_with_its_own_key(signer: Signer, app: int) -> None:
    token = signer.sign('{"data":"…"}', at=NOW, app=app)
    claims = jwt.decode(token, signer.public_keys()[app], algorithms=["RS256"])
    assert claims["data"] == '{"data":"…"}'
    assert claims["exp"] - claims["iat"] == 83 * 3600


def test_another_apps_key_refuses_it(signer: Signer) -> None:
    token = signer.sign("{}", at=NOW, app=0)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, signer.public_keys()[1], algorithms=["RS256"])


def test_a_signature_depends_on_nothing_but_the_key_the_data_and_the_time(signer: Signer) -> None:
    assert signer.sign("{}", at=NOW) == signer.sign("{}", at=NOW)


def test_an_ingress_finds_all_apps_keys_in_one_file(signer: Signer, tmp_path: Path) -> None:
    signer.write_public_key(tmp_path / "apps.pem")
    assert len(read_keys(tmp_path / "apps.pem")) == APPS

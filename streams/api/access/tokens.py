"""The tokens that are valid now: of the settings and of a file that may change at any time.

Invariant: a bad change of the file keeps the tokens that were, and a good one counts within
seconds; to compare takes the same time whatever is presented.
"""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Final

import structlog

from streams.api.access.token_list import Token, TokenListError, hash_of, read_token_list
from streams.config import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from streams.config import Settings

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 1.0


class Tokens:
    """Finds the token that was presented."""

    def __init__(self, settings: Settings) -> None:
        """Read them for the first time.

        Raises:
            ConfigurationError: a list can't be read or used.
        """
        self._file = settings.api_tokens_file
        self._fixed: tuple[Token, ...] = ()
        given = settings.api_tokens
        if given is not None:
            try:
                self._fixed = read_token_list(given.get_secret_value())
            except TokenListError as error:
                raise ConfigurationError(f"CHECKOUT_RECOVERY_API_TOKENS: {error}") from None
        try:
            self._known = self._fixed + self._read()
        except (OSError, TokenListError) as error:
            raise ConfigurationError(
                f"CHECKOUT_RECOVERY_API_TOKENS_FILE {self._file}: {_reason(error)}"
            ) from None
        self._state = _state(self._file)
        self._looked_at = time.monotonic()
        if not self._known:
            log.warning("no_tokens", consequence="every request is answered 401")

    def find(self, presented: str) -> Token | None:
        """The token whose hash that is."""
        digest = hash_of(presented)
        found = None
        for token in self._current():
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def named(self, name: str) -> Token | None:
        """The token of that name."""
        return next((token for token in self._current() if token.name == name), None)

    def look_again(self) -> None:
        """Read the file again if it has changed."""
        self._looked_at = time.monotonic()
        state = _state(self._file)
        if state != self._state:
            self._state = state
            self._reload()

    def _current(self) -> tuple[Token, ...]:
        if self._file is not None and time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self.look_again()
        return self._known

    def _reload(self) -> None:
        try:
            self._known = self._fixed + self._read()
        except (OSError, TokenListError) as error:
            log.error("tokens_kept", file=str(self._file), reason=_reason(error))  # noqa: TRY400  # no traceback
        else:
            log.info("tokens_reloaded", names=[token.name for token in self._known])

    def _read(self) -> tuple[Token, ...]:
        return () if self._file is None else read_token_list(self._file.read_bytes())


def _state(file: Path | None) -> tuple[int, ...] | None:
    """What differs after a change of the file, also when it is replaced; None: it is not there."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _reason(error: OSError | TokenListError) -> str:
    return str(error) if isinstance(error, TokenListError) else error.strerror or "can't be read"

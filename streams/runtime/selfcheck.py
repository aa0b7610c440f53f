"""Refuses library versions that the runtime's own tests have not passed on.

The runtime relies on private interfaces of Faust (listed in docs/runtime.md), so an upgrade is made
by changing ``TESTED`` and passing the whole suite, never by a resolver.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TESTED = {
    "faust-streaming": "0.15.3",
    "mode-streaming": "0.7.1",
    "confluent-kafka": "2.9.0",
}


def unsupported_versions(wanted: Mapping[str, str] = TESTED) -> list[str]:
    """A line for each library whose version is not the tested one; none: all is well."""
    problems = []
    for name, tested in wanted.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "missing"
        if installed != tested:
            problems.append(
                f"{name} is {installed}; the runtime was tested on {tested}. "
                f"Install {name}=={tested}, or run the runtime's tests on the new version first."
            )
    return problems

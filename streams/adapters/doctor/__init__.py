"""Looks for what would keep an installation from working, and says how to mend it."""

from streams.adapters.doctor.diagnosis import diagnose, examine_start
from streams.adapters.doctor.findings import Finding, State

__all__ = ["Finding", "State", "diagnose", "examine_start"]

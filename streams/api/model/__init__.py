"""The read model: records of the topics become rows, exactly once."""

from streams.api.model.model import Model, PositionMovedError
from streams.api.model.records import Place, Record

__all__ = ["Model", "Place", "PositionMovedError", "Record"]

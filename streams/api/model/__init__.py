"""The read model: records of the topics become rows, exactly once."""

from streams.api.model.model import TOPICS, Complete, Model
from streams.api.model.positions import PositionMovedError
from streams.api.model.records import Place, Record

__all__ = ["TOPICS", "Complete", "Model", "Place", "PositionMovedError", "Record"]

"""The shape of the answer for operators."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Delay(BaseModel):
    """From when a webhook was received until what it led to was announced."""

    p50_ms: int | None = Field(description="Median; null: nothing was announced.")
    p99_ms: int | None = Field(description="99th percentile; null: nothing was announced.")
    count: int = Field(description="Announcements that were measured.")
    over_seconds: int = Field(description="In so long a time.")
    relative_error: str = Field(description="A percentile is at most this share too low.")


class Lag(BaseModel):
    """A partition of a topic that the workers read."""

    topic: str = Field(description="Name in Kafka.")
    partition: int = Field(description="Number, from 0.")
    lag: int = Field(description="Records behind the position that the workers have committed.")
    owner: str | None = Field(description="The worker that has it; null: none.")


class Partition(BaseModel):
    """A partition that a worker has."""

    topic: str = Field(description="Name in Kafka.")
    partition: int = Field(description="Number, from 0.")


class Worker(BaseModel):
    """A member of the workers' group."""

    name: str = Field(description="Its slot, or the name that it gave itself.")
    host: str = Field(description="Where Kafka sees it.")
    partitions: list[Partition] = Field(description="What it was given.")


class Rebalance(BaseModel):
    """The last time that partitions were seen to move."""

    at: str | None = Field(description="When it was noticed; null: not since we look.")
    what: str = Field(description="What has changed, in words.")


class Reason(BaseModel):
    """Why records could not be processed."""

    reason: str = Field(description="Code, as in `dead-letters list`.")
    stage: str = Field(description="Who gave up: ingress, track-checkouts, measure-conversion.")
    count: int = Field(description="Number of records.")
    last_at: str = Field(description="The newest of them.")


class DeadLetters(BaseModel):
    """What could not be processed."""

    total_24h: int = Field(description="Number of records in the last 24 hours.")
    is_complete: bool = Field(description="false: they are still being counted.")
    by_reason: list[Reason] = Field(description="Most frequent first.")


class Operations(BaseModel):
    """The state of the installation."""

    as_of: str = Field(description="When we looked.")
    events_in_per_second: float = Field(description="Webhooks that came in.")
    events_out_per_second: float = Field(description="Lifecycle events that were announced.")
    delay: Delay = Field(description="How long it takes.")
    lag: list[Lag] = Field(description="By topic and partition.")
    workers: list[Worker] = Field(description="By name.")
    group_state: str = Field(
        description="stable, preparing_rebalancing, completing_rebalancing, empty, dead; unknown: "
        "Kafka did not say, see problem."
    )
    last_rebalance: Rebalance = Field(description="When partitions moved.")
    dead_letters: DeadLetters = Field(description="What could not be processed.")
    model_age_seconds: float | None = Field(
        description="How far our own answers are behind; null: they are not complete yet."
    )
    problem: str | None = Field(description="Why something is missing here, in words.")

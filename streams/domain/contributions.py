"""What one checkout adds to the counts of its site: a pure function of what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.domain.events import Facets, Site, Stage

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from decimal import Decimal

    from streams.domain.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class Contribution:
    """One checkout's part in the rates. Without ``abandoned_at`` it counts in the flow only."""

    site: Site
    abandoned_at: datetime | None
    recovered_at: datetime | None
    currency: str | None
    amount: Decimal | None
    stage: Stage
    is_reachable: bool
    is_touched: bool
    is_staff: bool

    def recovery_seconds(self) -> int | None:
        """Whole seconds from abandonment to recovery; 0 if the dates are the wrong way round."""
        if self.abandoned_at is None or self.recovered_at is None:
            return None
        elapsed = self.recovered_at - self.abandoned_at
        return max(0, elapsed.days * 86_400 + elapsed.seconds)

    def is_recovered_within(self, horizon: timedelta) -> bool:
        """Whether the checkout recovered and took at most ``horizon`` for it."""
        return (
            self.abandoned_at is not None
            and self.recovered_at is not None
            and self.recovered_at - self.abandoned_at <= horizon
        )


def contribution_of(knowledge: Knowledge) -> Contribution | None:
    """The part of a checkout; None while no event says when it was abandoned or recovered."""
    abandoned_at, recovered_at = knowledge.abandoned_at, knowledge.recovered_at
    if abandoned_at is None and recovered_at is None:
        return None
    facets = knowledge.facets
    if facets is None:
        return Contribution(
            knowledge.site, abandoned_at, recovered_at, None, None, Stage.CART, False, False, False
        )
    return Contribution(
        site=knowledge.site,
        abandoned_at=abandoned_at,
        recovered_at=recovered_at,
        currency=facets.currency,
        amount=facets.amount,
        stage=facets.stage,
        is_reachable=facets.is_reachable,
        is_touched=is_touched(facets, recovered_at),
        is_staff=facets.is_staff,
    )


def is_touched(facets: Facets, recovered_at: datetime | None) -> bool:
    """Whether a message reached the buyer before the recovery; later ones don't count."""
    if recovered_at is None:
        return bool(facets.touches)
    return any(
        touch.occurred_at is not None and touch.occurred_at <= recovered_at
        for touch in facets.touches
    )

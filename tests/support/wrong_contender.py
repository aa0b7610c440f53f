"""A contender that does the job wrongly, as its argument says: what a check must notice."""

from __future__ import annotations

import sys

from tests.bench.peers import bare
from tests.bench.peers.job import Outcome, State, work

_WRONG = 7  # the event that is handled wrongly


class Wrongly:
    """Counts the events; one of them is not done as it should be."""

    def __init__(self, how: str) -> None:
        self._how = how
        self._announced = 0

    def __call__(self, value: bytes, instance_id: str, state: State | None) -> Outcome:
        outcome = work(value, instance_id, state)
        self._announced += bool(outcome.events)
        if self._announced == _WRONG and outcome.events:
            if self._how == "forgets":
                outcome.events.clear()
            elif self._how == "repeats":
                outcome.events *= 2
            elif self._how == "miscounts":
                outcome.state.events += 100
            else:
                sys.exit("planted")
        return outcome


if __name__ == "__main__":
    bare.main(Wrongly(sys.argv[1]))

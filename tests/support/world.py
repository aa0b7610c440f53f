"""Three simulated sites in a database: everything that the topics would hold of them."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.database.tables import SITES
from streams.adapters.topics import SOURCE
from streams.api.metrics import ApiMetrics
from streams.api.model import Model, Place
from streams.demo.simulator.platform import Options, Platform, past
from tests.support.api import EVERYTHING, tokens
from tests.support.builders import T0
from tests.support.records import of_whole
from tests.support.whole import Whole

if TYPE_CHECKING:
    from streams.api.model import Record
    from streams.demo.simulator.platform import Sending

PLACES = [Place(SOURCE, partition) for partition in range(4)]


def nine_days(held_back: int) -> tuple[Whole, list[Sending]]:
    """The topics after nine days of three shops, and the webhooks that were held back."""
    random = Random(5)
    whole = Whole(random)
    platform = Platform(Options(seed=5, sites=3), T0)
    sendings = [*platform.sendings(past(random, T0, days=9, count=120))]
    last = len(sendings) - held_back
    for sending in sendings[:last]:
        whole.post(sending, received_at=sending.at)
    whole.finish(T0 + timedelta(hours=1))
    return whole, sendings[last:]


@cache
def everything() -> tuple[Whole, list[Sending]]:
    """The same for all who hold nothing back, and so change nothing."""
    return nine_days(0)


class World:
    """Three simulated sites in a database; the last ``held_back`` webhooks come with ``later``."""

    def __init__(self, url: str, *, held_back: int = 0) -> None:
        self.engine = writing_engine(url)
        migrate(self.engine)
        self._whole, self._held_back = nine_days(held_back) if held_back else everything()
        self.records = of_whole(self._whole)
        self.model = Model(self.engine, ApiMetrics())
        self.model.begin([*PLACES, *{record.place for record in self.records}])
        self.model.apply(self.records)
        with self.engine.connect() as connection:
            found = connection.execute(select(SITES.c.instance_id).order_by(SITES.c.instance_id))
            self.sites: list[str] = list(found.scalars())
        self.url = url
        self.tokens = tokens(("all", ["*"], EVERYTHING), ("one", [self.sites[0]], ["read"]))

    def later(self) -> list[Record]:
        """Records of what was held back; nobody has applied them yet."""
        for sending in self._held_back:
            self._whole.post(sending, received_at=sending.at)
        self._held_back = []
        self._whole.finish(T0 + timedelta(hours=2))
        known = {(record.place, record.offset) for record in self.records}
        found = [
            record for record in of_whole(self._whole) if (record.place, record.offset) not in known
        ]
        self.records += found
        return found

    def newest(self, site: str) -> dict[str, Any]:
        """The last record of a site, as published."""
        found = {}
        for record in self.records:
            if "conversion.v1" in record.place.topic and record.key == site.encode():
                found = json.loads(record.value or b"")
        return found

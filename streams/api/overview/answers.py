"""The shapes of the page's answers, as the OpenAPI document tells them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from schemas.conversion import WindowV1


class SiteName(BaseModel):
    """A site by both of its names."""

    instance_id: str = Field(description="The site.")
    site_id: str | None = Field(description="Wix's own id of the site.")


class Overview(BaseModel):
    """One site's newest record, or the sums over all that the token may see."""

    as_of: str | None = Field(
        description="The newest instant that the counts know of; null: there is no record yet."
    )
    site: SiteName | None = Field(description="The asked site; null: all of them.")
    sites: int = Field(description="Number of sites that are counted.")
    excluded_staff: int = Field(description="Checkouts of staff, left out of everything.")
    unpriced: int = Field(description="Checkouts without a usable total.")
    windows: list[WindowV1] = Field(
        description="As in a record. Of several sites counts and money are added up, rates and "
        "intervals are made of the sums, and percentiles are of all recoveries together."
    )


class SeriesPoint(BaseModel):
    """A bucket of event time."""

    start: str = Field(description="Its first instant.")
    abandoned: int = Field(description="Checkouts that were abandoned in it.")
    recovered: int = Field(description="Of these, recovered so far.")
    recoveries: int = Field(description="Recoveries dated in it, whenever abandoned.")
    rate: str | None = Field(description="recovered / abandoned; null if none was abandoned.")


class Series(BaseModel):
    """Abandonments and recoveries over time."""

    window: str = Field(description="So far back.")
    bucket_seconds: int = Field(description="Length of a bucket.")
    points: list[SeriesPoint] = Field(description="Oldest first, also empty ones.")


class TimesBucket(BaseModel):
    """How many recoveries took between so long and so long."""

    from_seconds: int = Field(description="At least so long.")
    to_seconds: int | None = Field(description="And less than this; null: no bound.")
    count: int = Field(description="Number of recoveries.")


class Times(BaseModel):
    """Time to recovery of the recoveries dated in a window."""

    window: str = Field(description="Length of the window.")
    count: int = Field(description="Number of recoveries with a known abandonment.")
    p50_seconds: int | None = Field(description="Median; null if there is none.")
    p90_seconds: int | None = Field(description="90th percentile; null if there is none.")
    p99_seconds: int | None = Field(description="99th percentile; null if there is none.")
    relative_error: str = Field(description="A percentile is at most this share too low.")
    buckets: list[TimesBucket] = Field(description="Shortest first, also empty ones.")


class SiteFound(SiteName):
    """A site, and its cohort of the longest window."""

    abandoned: int = Field(description="Checkouts abandoned in the longest window.")
    recovered: int = Field(description="Of these, recovered so far.")


class SitesFound(BaseModel):
    """Sites by the beginning of one of their names."""

    sites: list[SiteFound] = Field(description="Those with most abandoned checkouts first.")


class MoneyText(BaseModel):
    """An amount."""

    amount: str = Field(description="Decimal string, in the currency's main unit.")
    currency: str = Field(description="ISO 4217 code.")


class Happening(BaseModel):
    """A checkout that was abandoned or recovered; nothing personal."""

    at: str = Field(description="When it happened at the shop.")
    abandoned_checkout_id: str = Field(description="The checkout.")
    instance_id: str = Field(description="The site.")
    total: MoneyText | None = Field(description="The newest known total; null: unknown.")
    time_to_recovery_seconds: int | None = Field(
        description="From abandonment to recovery; null if it is none, or unknown."
    )


class Recent(BaseModel):
    """The latest recoveries."""

    recoveries: list[Happening] = Field(description="Newest first.")

"""What a simulated day is made of: arrivals, patience, talk and wrap-up times, shifts and breaks.

A TOML file; every key has a default, so that an empty one is a day as well. Distributions are given
by mean and coefficient of variation. Times of day are local to the routing configuration's zone.
"""

from __future__ import annotations

import math
import random
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ctid import toml_file
from routing.hours import minutes_of

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=30 * 86400.0)]


def _clock(value: str) -> str:
    minutes_of(value)
    return value


Clock = Annotated[str, AfterValidator(_clock)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Distribution(_Part):
    """A positive random time. ``cv``: standard deviation over mean, for lognormal and gamma."""

    kind: Literal["exponential", "lognormal", "gamma", "constant"] = "exponential"
    mean_s: Seconds
    cv: Annotated[float, Field(gt=0, le=10)] = 1.0

    def draw(self, rng: random.Random) -> float:
        """One value, in seconds. Each kind uses the generator in its own fixed way."""
        mean = self.mean_s
        if mean <= 0 or self.kind == "constant":
            return mean
        if self.kind == "exponential":
            return rng.expovariate(1 / mean)
        if self.kind == "gamma":
            shape = 1 / (self.cv * self.cv)
            return rng.gammavariate(shape, mean / shape)
        spread = math.log(1 + self.cv * self.cv)
        return rng.lognormvariate(math.log(mean) - spread / 2, math.sqrt(spread))


class Arrivals(_Part):
    """A stream of callers. ``queue`` goes straight into it; ``did`` the way a caller goes.

    ``per_hour`` is a Poisson stream; ``per_half_hour`` its profile from the start on (the last
    value holds on); ``journal`` takes arrivals (and what is known of patience and talk) from one.
    """

    queue: str = ""
    did: str = ""
    per_hour: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    per_half_hour: list[Annotated[float, Field(ge=0, le=1e6)]] = []
    journal: Path | None = None
    patience: Distribution | None = None
    talk: Distribution | None = None
    digits: list[dict[str, Annotated[float, Field(ge=0)]]] = []
    language: str = ""
    attributes: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [bool(self.per_hour), bool(self.per_half_hour), self.journal is not None]
        if sum(sources) != 1:
            raise ValueError("needs exactly one of per_hour, per_half_hour and journal")
        if self.journal is None and bool(self.queue) == bool(self.did):
            raise ValueError("needs either queue or did")
        return self


class Break(_Part):
    """A pause within a shift."""

    at: Clock
    minutes: Annotated[float, Field(gt=0, le=24 * 60)]
    reason: str = ""


class Shift(_Part):
    """Who is at work when, every day. ``agents``: ids, or teams as ``team:newsroom``, or ``*``.

    ``to`` not after ``from`` means the next day. Agents of no shift are always at work if there is
    no shift at all, else never.
    """

    agents: list[str] = ["*"]
    begins: Annotated[Clock, Field(alias="from")] = "00:00"
    ends: Annotated[Clock, Field(alias="to")] = "24:00"
    breaks: list[Break] = []
    spread_minutes: Annotated[float, Field(ge=0, le=600)] = 0.0  # breaks begin within so long


class People(_Part):
    """How agents and phones behave."""

    ring_delay_s: Seconds = 0.3
    pickup: Distribution = Distribution(kind="lognormal", mean_s=4.0, cv=0.6)
    no_answer_share: Share = 0.01
    decline_share: Share = 0.0
    back_after_s: Seconds = 60.0  # after being paused for not answering
    talk: Distribution = Distribution(kind="lognormal", mean_s=180.0, cv=0.9)
    wrap_up: Distribution | None = None  # none: as long as the queue allows


class Scenario(_Part):
    """A day to simulate."""

    start: datetime | None = None  # local; none: Monday 09:00
    hours: Annotated[float, Field(gt=0, le=24 * 31)] = 8.0
    warm_up_s: Seconds = 0.0  # figures leave out who comes before
    interval_minutes: Literal[15, 30, 60, 1440] = 30
    replications: Annotated[int, Field(ge=1, le=10_000)] = 5
    seed: Annotated[int, Field(ge=0, le=2**31)] = 1
    patience: Distribution = Distribution(mean_s=120.0)
    prompt_s: Seconds = 4.0
    lookup_s: Seconds = 0.05
    arrivals: list[Arrivals] = []
    shifts: list[Shift] = []
    people: People = People()


def load(path: Path) -> Scenario:
    """Read a scenario. Raises ConfigFileError with every mistake."""
    scenario = toml_file.load(path, Scenario)
    base = path.resolve().parent
    arrivals = [
        a.model_copy(update={"journal": base / a.journal}) if a.journal is not None else a
        for a in scenario.arrivals
    ]
    return scenario.model_copy(update={"arrivals": arrivals})


def stream(seed: int, *names: object) -> random.Random:
    """A generator of its own for each purpose, so that changing one leaves the others alone."""
    return random.Random("/".join(map(str, (seed, *names))))  # noqa: S311 - repeatable on purpose

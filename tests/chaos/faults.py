"""Seeded random faults as they are drawn, and what came of each."""

import random
import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import psutil

from tests.chaos.stack import LEASE_SECONDS

POOLS = ("gpu", "predict", "cpu")
PROCESSES = ("web", *POOLS, "sweeper", "redis")
# What starts children that do the work.
PARENTS = ("web", *POOLS)

# Kinds of faults as (action, target), and how often each is in a deck of cards.
KINDS: dict[tuple[str, str], int] = {
    **{("kill", target): 1 for target in PROCESSES},
    **{("kill", f"{target} child"): 1 for target in PARENTS},
    **{("term", target): 1 for target in PROCESSES},
    **{("term", f"{target} child"): 1 for target in PARENTS},
    **{("term twice", target): 1 for target in POOLS},
    **{("freeze", target): 1 for target in PROCESSES},
    **{("freeze", f"{target} child"): 1 for target in PARENTS},
    ("flushall", "redis"): 2,
    ("failover", "redis"): 2,
    ("replace", "redis"): 2,
    ("restart fast", "postgres"): 2,
    ("restart immediate", "postgres"): 2,
    ("outage", "postgres"): 1,
    ("promote", "postgres"): 1,
    ("read-only", "postgres"): 1,
    ("no connections", "postgres"): 1,
    ("cut", "postgres"): 1,
    ("empty database", "storage"): 1,
    ("old dump", "storage"): 1,
}
# Where the storage is a server.
STORE_KINDS: dict[tuple[str, str], int] = {
    ("closed", "store"): 1,
    ("frozen", "store"): 1,
    ("refusing", "store"): 1,
}

PAUSE_SECONDS = (0.2, 2.0)
# Redis and PostgreSQL stay away for so long; what is frozen, for so long past its lease.
AWAY_SECONDS = (0.2, 6.0)
PAST_LEASE_SECONDS = (0.5, 3.0)
# While these last, requests are sent whose answers are checked; much longer than a lease.
LONG = {"outage", "read-only", "no connections", "closed", "frozen", "refusing"}
# A child that has a job at the time is hit with this probability, if there is one.
BUSY_FIRST = 0.8


@dataclass(frozen=True)
class Fault:
    """One fault as drawn; `pick` in [0, 1) chooses among what there is to be hit."""

    action: str
    target: str
    pause: float
    hold: float
    pick: float
    busy: bool

    @property
    def kind(self) -> str:
        return f"{self.action} {self.target}"


@dataclass
class Thrown:
    """What came of it: when it was over, and when a text submitted after that was scored."""

    fault: Fault
    at: float
    hit: str = "nothing"
    over: float = 0.0
    recovered: float | None = None
    victims: list[uuid.UUID] = field(default_factory=list)
    # Processes that were asked to end, and shall.
    ending: list[psutil.Process] = field(default_factory=list)
    note: str = ""
    # What the web answered while it lasted: how often which status to which request.
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    # How long the slowest of these answers took.
    slowest: float = 0.0


def kinds(*, on_s3: bool) -> dict[tuple[str, str], int]:
    """All kinds that there are, by where the files lie."""
    return {**KINDS, **STORE_KINDS} if on_s3 else KINDS


def draw(
    seed: int,
    count: int,
    weights: dict[tuple[str, str], int] = KINDS,
    only: Collection[str] = (),
    long_seconds: float = 20.0,
) -> list[Fault]:
    """The same seed gives the same faults. Every kind comes once before any comes again (weights apart).

    `only`: the kinds that come, by their names. `long_seconds`: how long those of LONG last.
    """
    chance = random.Random(f"faults {seed}")
    deck: list[tuple[str, str]] = []
    drawn = []
    for _ in range(count):
        if not deck:
            wanted = {kind: 1 if only else weight for kind, weight in weights.items()}
            deck = [
                kind
                for kind, weight in wanted.items()
                for _ in range(weight)
                if not only or " ".join(kind) in only
            ]
            chance.shuffle(deck)
        action, target = deck.pop()
        past = LEASE_SECONDS + chance.uniform(*PAST_LEASE_SECONDS)
        away = chance.uniform(*AWAY_SECONDS)
        hold = past if action == "freeze" else long_seconds if action in LONG else away
        drawn.append(
            Fault(
                action,
                target,
                pause=chance.uniform(*PAUSE_SECONDS),
                hold=hold,
                pick=chance.random(),
                busy=chance.random() < BUSY_FIRST,
            )
        )
    return drawn

"""Makes up short reviews: as many as wanted, the same ones for the same seed."""

import csv
import random
from pathlib import Path

THINGS = (
    "battery", "screen", "keyboard", "delivery", "packaging", "support team", "manual", "camera",
    "sound", "price", "fabric", "design", "app", "zip", "lid", "blender", "kettle", "lamp",
)  # fmt: skip
GOOD = (
    "is great", "works perfectly", "is absolutely wonderful", "is a joy to use", "made me happy",
    "is better than I hoped", "is really good", "is AMAZING", "never let me down", "is beautiful",
)  # fmt: skip
PLAIN = (
    "arrived on Tuesday", "is blue", "weighs two pounds", "comes with a cable", "is made of steel",
    "is the same as in the picture", "has three buttons", "is for indoor use", "takes a minute to start",
)  # fmt: skip
BAD = (
    "is terrible", "broke after a week", "is a waste of money", "is not good at all", "was a disappointment",
    "smells awful", "is really bad", "is USELESS", "made me angry", "hardly works",
)  # fmt: skip
LINKS = (", and", ", but", ". Also,", "; though", ", while")
ENDS = (".", "!", "!!!", " :)", " :(", "...", ". I love it!", ". I hate it.", ". Would buy again.", "?")


def write_reviews(path: Path, count: int, seed: int = 0) -> None:
    """Write a CSV file with the columns id and text."""
    chance = random.Random(seed)  # noqa: S311 - reviews, not secrets
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text"])
        rows.writerows((number, review(chance)) for number in range(1, count + 1))


def review(chance: random.Random) -> str:
    """One review, of one or two remarks."""
    text = f"The {_remark(chance)}"
    if chance.random() < 0.6:
        text += f"{chance.choice(LINKS)} the {_remark(chance)}"
    return text + chance.choice(ENDS)


def _remark(chance: random.Random) -> str:
    verdict = chance.choice(chance.choice((GOOD, PLAIN, BAD)))
    return f"{chance.choice(THINGS)} {verdict}"

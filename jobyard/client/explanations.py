"""Why a word has its share of a compound score, in words."""

from typing import Any

RULES = {
    "capitals": "in capitals",
    "booster": "boosted by",
    "negation": "negated by",
    "so": "after",
    "idiom": "in the idiom",
    "least": "after",
    "but": "weighted by",
}


def that_matter(words: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of an explanation's words that are in the lexicon or got a score all the same."""
    return [word for word in words if word["valence"] or word["score"]]


def reasons(word: dict[str, Any]) -> str:
    """ "+3.2, in capitals +0.733, boosted by “really” +0.293"."""
    return ", ".join([f"{word['valence']:+.4g}", *map(_reason, word["because"])])


def _reason(why: dict[str, Any]) -> str:
    if why["word"] is None:
        rule = "is itself a booster" if why["rule"] == "booster" else RULES.get(why["rule"], why["rule"])
    else:
        rule = f"{RULES.get(why['rule'], why['rule'])} “{why['word']}”"
    return f"{rule} {why['change']:+.4g}"

"""What a text's score is made of, and what it is labelled."""

from typing import Final

SCORES: Final = ("neg", "neu", "pos", "compound", "label")
LABELS: Final = ("positive", "neutral", "negative")

"""The labels that texts get, as `shared.kinds.sentiment.Thresholds` has them."""

LABELS = ("positive", "neutral", "negative")

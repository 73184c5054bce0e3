"""The labels that texts get, as `shared.specs.Thresholds` has them."""

LABELS = ("positive", "neutral", "negative")

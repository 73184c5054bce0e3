"""Labels from a table beside the pictures: `labels.csv`, or `metadata.csv` as Hugging Face has it."""

"""VADER sentiment: texts and files of texts in, scores out. Knows no queue and no database.

NLTK and pyarrow are imported by the modules inside, not here, so that an idle worker stays small.
"""

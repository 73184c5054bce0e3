"""NLTK's VADER: one text by NLTK's own methods, millions by a compiled loop, to the same bits."""

"""Evaluations of trained models on other pictures: which ones, and how they are read.

What is computed of a model's answers is in `workers.training.evaluate`, for both. Knows no queue and no
database.
"""

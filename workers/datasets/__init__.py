"""Data sets of pictures: importing them from archives and folders, and unpacking them for training.

Knows no queue and no database.
"""

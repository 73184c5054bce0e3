"""Models in the formats of other programs.

`python -m jobyard.workers.exports` makes one file. It is a process of its own: the converters are large
programs in C++ that may crash, and hold memory until their process ends. Importing this package imports no
TensorFlow.
"""

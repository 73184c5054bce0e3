"""The networks, their files, and how to read what they put out.

Importing this package does not import TensorFlow.
"""

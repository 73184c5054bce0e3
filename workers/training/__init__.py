"""Training of picture classifiers: pure Keras, configured by a spec and observed through callbacks.

`workers.training.fit.train` is the way in. Importing this package does not import TensorFlow.
"""

"""Training of picture classifiers: pure Keras, told what to do by a spec and watched by callbacks.

`workers.training.fit.train` is the way in. Importing this package does not import TensorFlow.
"""

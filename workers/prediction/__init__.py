"""Prediction of pictures by trained models: pure Keras, watched by callbacks.

`workers.prediction.models.ModelCache` loads, `workers.prediction.predict.predict` uses. Importing this
package does not import TensorFlow.
"""

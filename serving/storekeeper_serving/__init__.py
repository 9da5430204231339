"""Serving: online features in, probabilities out; never imports TensorFlow."""

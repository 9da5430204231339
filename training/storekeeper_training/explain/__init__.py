"""Explanations in training: what a model is explained by is kept beside it, and shown."""

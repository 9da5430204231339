"""Reading features by plans that are made once: NumPy columns from state, with nothing looked up at a request."""

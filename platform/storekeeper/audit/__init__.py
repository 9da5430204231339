"""The proof that served equals trained: what was served is logged, replayed offline, and compared."""

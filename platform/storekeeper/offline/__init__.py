"""Feast's offline store over the kernel: a spine and declarations in, point-in-time-correct rows out."""

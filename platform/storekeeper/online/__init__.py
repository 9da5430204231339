"""Feast's online store over entity state: windows that slide with the clock, read through the kernel."""

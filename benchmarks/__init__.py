"""Point-in-time retrieval against its alternatives, side by side: `python -m benchmarks.point_in_time`."""

"""Doors for raw events: files, pipes and streams, pushed in batches; what can't be pushed is told one by one."""

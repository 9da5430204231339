"""The model registry: every training run in MLflow, and which version of a task's models serves."""

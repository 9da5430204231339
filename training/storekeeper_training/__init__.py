"""Training: point-in-time-correct datasets in, evaluated model artefacts out."""

"""The fitted pipeline, CCD predictions, the exposure decision, evaluation, clusters."""

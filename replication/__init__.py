"""The experiment: models, images and metrics, data, training, evaluation and records."""

__version__ = "0.1.0"

"""The experiment: models, images and metrics, data, training, evaluation and records."""

from replication.commands import INSTEAD, explain

__version__ = "0.1.0"

explain(INSTEAD)

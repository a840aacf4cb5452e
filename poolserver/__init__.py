"""A Bitcoin mining pool server for sites that live on a power budget."""

__version__ = "0.1.0"

"""Data files of the mining package."""

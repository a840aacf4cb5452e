"""Data files of the power package."""

"""Placeholder."""


def silence(*a): ...

"""The commands of ``poolserver``, each with what it shows; ``cli`` puts them together."""

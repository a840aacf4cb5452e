"""What a worker's name says by the operator's pattern, as ``{site}-{container}-{rack}-{slot}``."""

import re
from collections.abc import Mapping

FIELDS = ("site", "container", "rack", "slot", "model")

_FIELD = re.compile(r"\{(" + "|".join(FIELDS) + r")\}")


class NamePattern:
    """A pattern, ready to be held against names.

    A field ends where the text behind it in the pattern begins to stand, so there is one way to
    read a name, and no name takes long: they are made up by whoever connects.
    """

    def __init__(self, pattern: str) -> None:
        """``pattern`` has each field once at most, with text between any two."""
        texts = _FIELD.split(pattern)
        self.fields = frozenset(texts[1::2])
        written = [re.escape(texts[0])]
        for field, behind in zip(texts[1::2], texts[2::2], strict=True):
            written.append(f"(?P<{field}>[^/{re.escape(behind[:1])}]+){re.escape(behind)}")
        self._names = re.compile("".join(written))

    def read(self, name: str) -> Mapping[str, str]:
        """The fields of a name; none where it is not of this form. No field is empty.

        >>> NamePattern("{site}-{container}-{rack}").read("shw-c04-r07")
        {'site': 'shw', 'container': 'c04', 'rack': 'r07'}
        """
        found = self._names.fullmatch(name)
        return found.groupdict() if found else {}

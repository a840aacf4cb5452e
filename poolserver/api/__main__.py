"""Prints the tables of docs/api.md, with ``--openapi`` docs/openapi.json."""

import sys

import msgspec

from poolserver.api.catalogue import unconnected
from poolserver.api.openapi import openapi_document
from poolserver.api.reference import api_reference


def openapi_text() -> str:
    """docs/openapi.json."""
    document = msgspec.json.encode(openapi_document(unconnected()))
    return msgspec.json.format(document, indent=1).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text() if "--openapi" in sys.argv else api_reference(unconnected()))

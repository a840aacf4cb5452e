"""The document of the API is one, is complete, and is what stands in docs/."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31  # the specification's own

from poolserver.api.__main__ import openapi_text
from poolserver.api.catalogue import unconnected
from poolserver.api.endpoint import Endpoint
from poolserver.api.openapi import openapi_document, problems_of
from poolserver.api.problem import OF_NO_ENDPOINT, PROBLEMS
from poolserver.api.reference import api_reference

ENDPOINTS = unconnected()
DOCS = Path(__file__).parents[3] / "docs"


def test_the_document_in_docs_is_that_of_the_code() -> None:
    text = (DOCS / "openapi.json").read_text()
    assert text == openapi_text(), "python -m poolserver.api --openapi > docs/openapi.json"


def test_the_tables_in_docs_are_those_of_the_code() -> None:
    assert api_reference(ENDPOINTS) in (DOCS / "api.md").read_text(), "python -m poolserver.api"


def test_it_is_openapi_3_1() -> None:
    jsonschema.Draft202012Validator(OPENAPI_31).validate(openapi_document(ENDPOINTS))


def test_every_schema_that_is_meant_is_there() -> None:
    text = openapi_text()
    meant = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert meant <= set(json.loads(text)["components"]["schemas"])


def test_every_problem_is_answered_by_somebody() -> None:
    answered = {code for each in ENDPOINTS for code in problems_of(each)} | set(OF_NO_ENDPOINT)
    assert set(PROBLEMS) == answered


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_every_endpoint_says_what_it_is(endpoint: Endpoint) -> None:
    assert endpoint.summary
    assert [each.name for each in ENDPOINTS].count(endpoint.name) == 1
    assert endpoint.answer is not None or endpoint.is_write
    assert endpoint.is_write or endpoint.scope == "read"
    assert len(set(endpoint.problems)) == len(endpoint.problems)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_every_parameter_of_a_read_says_what_it_is(endpoint: Endpoint) -> None:
    document = openapi_document([endpoint])
    ((path, item),) = (
        (path, item) for path, item in document["paths"].items() if path != "/stream"
    )
    for parameter in item[endpoint.method.lower()]["parameters"]:
        if parameter["in"] == "path":
            assert f"{{{parameter['name']}}}" in path
        else:
            assert parameter["description"]

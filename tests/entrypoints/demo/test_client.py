"""The demo's client: it keeps what proves its answers, and believes no receipt that is not of them."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from tests.entrypoints.demo.conftest import Served

from mooring.entrypoints.demo import client as client_module
from mooring.entrypoints.demo.client import connect
from mooring.entrypoints.demo.training import Rows
from mooring.errors import WorkflowError
from mooring.records.receipt import commit_input, commit_output


def test_an_answer_comes_with_a_receipt_and_what_opens_it(served: Served, patients: Rows) -> None:
    answer = served.client.ask("breast", patients.features[0])
    assert answer.label == patients.labels[0]
    opening = answer.opening()
    assert (opening.origin, opening.index) == (answer.receipt.origin, answer.receipt.index)
    assert commit_input(opening.salt, opening.request).hex() == answer.receipt.input
    assert commit_output(opening.salt, opening.response).hex() == answer.receipt.output


def test_a_refusal_is_raised_with_the_gateways_rule(served: Served, patients: Rows) -> None:
    with connect(served.url, "marketing") as other, pytest.raises(WorkflowError, match="HTTP 403") as caught:
        other.ask("breast", patients.features[0])
    assert "purpose-of-the-deployment" in caught.value.code
    with pytest.raises(WorkflowError, match="HTTP 404"):
        served.client.ask("lung", patients.features[0])


def test_a_receipt_of_another_answer_is_not_believed(served: Served, patients: Rows) -> None:
    answer = served.client.ask("breast", patients.features[0])
    other = served.client.ask("breast", patients.features[1])
    client_module._check(answer)
    for forged in (
        replace(answer, receipt=other.receipt),
        replace(answer, salt=other.salt),
        replace(answer, request=other.request),
        replace(answer, response=answer.response + b" "),
    ):
        with pytest.raises(WorkflowError) as caught:
            client_module._check(forged)
        assert caught.value.code == "receipt"


def test_an_error_page_of_something_else_is_quoted() -> None:
    error = client_module._refused(httpx.Response(502, text="<html>Bad Gateway</html>"))
    assert (error.code, "Bad Gateway" in error.message) == ("http-502", True)

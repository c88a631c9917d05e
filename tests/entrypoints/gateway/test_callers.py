"""Callers are known by the hash of their token, and by nothing less."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from mooring.entrypoints.gateway import GatewaySettings
from mooring.entrypoints.gateway.callers import Callers
from mooring.errors import PolicyError
from mooring.policy import Policy

TOKEN = "ward-7-secret"
CALLERS = {hashlib.sha256(TOKEN.encode()).hexdigest(): "ward-7", hashlib.sha256(b"other").hexdigest(): "lab"}


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_a_known_token_names_its_caller(header: str) -> None:
    assert Callers(CALLERS).name(header.encode()) == "ward-7"
    assert Callers(CALLERS).name(b"Bearer other") == "lab"


def test_no_token_is_the_anonymous_caller() -> None:
    assert Callers(CALLERS).name(b"") == "anonymous"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"Bearer wrong", "token"),
        (b"Bearer ", "token"),
        (b"Bearer", "authorization"),
        (b"Basic d2FyZDo3", "authorization"),
        (b"Bearer " + b"x" * 5000, "authorization"),
        (b"Bearer " + hashlib.sha256(TOKEN.encode()).hexdigest().encode(), "token"),
    ],
)
def test_anything_else_is_refused(header: bytes, code: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Callers(CALLERS).name(header)
    assert caught.value.code == code
    assert caught.value.hint


def test_the_receipt_names_the_caller_and_a_wrong_token_is_401(make_world: Any) -> None:
    world = make_world(GatewaySettings(callers=CALLERS))
    assert world.receipt(world.infer(authorization=f"Bearer {TOKEN}")).caller == "ward-7"
    refused = world.infer(authorization="Bearer wrong")
    world.problem(refused, 401, "token")
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert world.log.size == 1


def test_a_policy_may_refuse_the_anonymous_caller(make_world: Any) -> None:
    world = make_world(GatewaySettings(callers=CALLERS))
    world.site.policy = Policy.load(
        '@id("known") permit (principal, action, resource) when { principal.authenticated };'
    )
    world.site.state_id += 1
    problem = world.problem(world.infer(), 403, "denied")
    assert problem["rule"] == "no rule permits this"
    assert world.infer(authorization=f"Bearer {TOKEN}").status_code == 200

"""The bundle's file: read back exactly, refused if it is anything else, at once if it is huge."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.proofs.scene import Story

from mooring.errors import ProofError
from mooring.proofs.bundle import MAX_BUNDLE, MEDIA_TYPE, Bundle

BUNDLE = Story().bundle()
DATA = BUNDLE.to_bytes()


def code(data: bytes) -> str:
    with pytest.raises(ProofError) as caught:
        Bundle.from_bytes(data)
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize(
    "bundle", [BUNDLE, Story(tlog=True).bundle(), Bundle(MEDIA_TYPE)], ids=["evm", "tlog", "empty"]
)
def test_what_is_written_is_read_back(bundle: Bundle) -> None:
    assert Bundle.from_bytes(bundle.to_bytes()) == bundle


def test_white_space_and_the_order_of_fields_mean_nothing() -> None:
    fields = dict(reversed(json.loads(DATA).items()))
    assert Bundle.from_bytes(json.dumps(fields, indent=1).encode() + b"\n") == BUNDLE


@pytest.mark.parametrize(
    "changes",
    [
        {"mediaType": "application/vnd.mooring.bundle+json;version=2"},
        {"mediaType": None},
        {"entries": {}},
        {"entries": [{"origin": "x"}]},
        {"entries": [{"origin": "x", "index": 0, "data": "AA==", "path": [], "more": 1}]},
        {"entries": [{"origin": "x", "index": True, "data": "AA==", "path": []}]},
        {"entries": [{"origin": "x", "index": 0, "data": "AB==", "path": []}]},
        {"entries": [{"origin": "x", "index": 0.5, "data": "AA==", "path": []}]},
        {"checkpoints": ["not base64"]},
        {"proofs": []},
    ],
    ids=str,
)
def test_a_field_that_is_wrong_unknown_or_missing_is_refused_and_named(changes: dict[str, Any]) -> None:
    assert code(json.dumps(json.loads(DATA) | changes).encode()) == "bundle-format"


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"\xff\xfe", DATA[:-1], DATA + b"{}", DATA[:1] + DATA], ids=len)
def test_bytes_that_are_no_bundle_are_refused(data: bytes) -> None:
    assert code(data) == "bundle-format"


def test_a_field_given_twice_is_refused() -> None:
    assert code(b'{"mediaType":"x",' + DATA[1:]) == "bundle-format"


@pytest.mark.parametrize(
    "data",
    [
        bytes(MAX_BUNDLE + 1),
        b"[" * 20_000_000,
        b'{"mediaType":' * 1_000_000,
        b'{"entries":' + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}",
    ],
    ids=["oversized", "lists", "objects", "balanced"],
)
def test_what_is_too_large_or_too_deep_is_refused_before_it_is_read(data: bytes) -> None:
    begun = time.monotonic()
    assert code(data) == "bundle-format"
    assert time.monotonic() - begun < 3

"""Receipts and the commitments in them."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.records import canonical
from mooring.records.digest import Digest, sha256
from mooring.records.receipt import SALT_BYTES, Receipt, commit_input, commit_output
from mooring.records.shape import to_json

SALT = bytes(range(SALT_BYTES))
RECEIPT = Receipt(
    batch=4,
    caller="clinic-7",
    index=1000,
    input=commit_input(SALT, b"{}").hex(),
    manifest=sha256(b"manifest"),
    model="tumour",
    origin="mooring.local/demo/receipts",
    output=commit_output(SALT, b"[]").hex(),
    policy=sha256(b"policy"),
    purpose="diagnosis",
    time="2026-11-23T10:00:00.25Z",
    version="v1",
)
GOLDEN = (  # the format of version 0.1: receipts that clients hold are read for ever
    b'{"batch":4,"caller":"clinic-7","index":1000,"input":"2f8dc3e462d14cb9c8e37ee2a4970347b634f55dbef341d'
    b'04743873eb425597e","manifest":"sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c65'
    b'7f","model":"tumour","origin":"mooring.local/demo/receipts","output":"945308e57bd6cf15733fdf76579ac3'
    b'ee8ef0b581dd6ac3686b32acf24e3b602e","policy":"sha256:823412d1eacb67956220e532959f0104603057c88704863'
    b'ca38e7cd188fda812","purpose":"diagnosis","time":"2026-11-23T10:00:00.25Z","version":"v1"}'
)

labels = st.from_regex("[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
hex32 = st.binary(min_size=32, max_size=32).map(bytes.hex)
digests = st.builds(Digest, st.just("sha256"), st.binary(min_size=32, max_size=32))
text = st.text(st.characters(exclude_categories=["Cs"]))
receipts = st.builds(
    Receipt,
    batch=st.integers(1, 2**53 - 1),
    caller=text.map(lambda t: t[:256]),
    index=st.integers(0, 2**53 - 1),
    input=hex32,
    manifest=digests,
    model=labels,
    origin=st.from_regex("[!-*,-~]{1,256}", fullmatch=True),
    output=hex32,
    policy=digests,
    purpose=text.map(lambda t: t[:64]),
    time=st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    version=labels,
)


@given(receipts)
def test_a_receipt_reads_back_from_its_bytes(receipt: Receipt) -> None:
    assert Receipt.from_bytes(receipt.to_bytes()) == receipt


def test_the_bytes_of_a_receipt_stay_as_they_are() -> None:
    assert RECEIPT.to_bytes() == GOLDEN
    assert Receipt.from_bytes(GOLDEN) == RECEIPT


def test_the_fields_stand_in_the_order_of_their_names() -> None:
    names = [field.name for field in fields(Receipt)]
    assert names == sorted(names)


def test_the_longest_receipt_that_can_be_made_can_be_read() -> None:
    longest = replace(
        RECEIPT,
        batch=2**53 - 1,
        caller="\x01" * 256,
        index=2**53 - 1,
        manifest=Digest("commitment-sha256", bytes(32)),
        model="m" * 64,
        origin='"' * 256,
        policy=Digest("commitment-sha256", bytes(32)),
        purpose="\x01" * 64,
        time="2026-11-23T10:00:00.123456789Z",
        version="v" * 64,
    )
    assert Receipt.from_bytes(longest.to_bytes()) == longest


@pytest.mark.parametrize("data", [GOLDEN + b"\n", b" " + GOLDEN, GOLDEN.replace(b'"batch":4,', b'"batch":4.0,')])
def test_the_same_receipt_in_other_bytes_is_refused(data: bytes, refuses) -> None:
    with refuses("not-canonical" if b"4.0" not in data else "record-shape"):
        Receipt.from_bytes(data)


def test_a_receipt_with_its_fields_in_another_order_is_refused(refuses) -> None:
    head, tail = GOLDEN[1:-1].split(b",", 1)
    with refuses("not-canonical"):
        Receipt.from_bytes(b"{" + tail + b"," + head + b"}")


def test_a_receipt_beyond_its_size_limit_is_refused_unread(refuses) -> None:
    with refuses("json"):
        Receipt.from_bytes(GOLDEN + b" " * 4096)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("batch", 0, "receipt"),
        ("batch", True, "receipt"),
        ("batch", 2**53, "receipt"),
        ("index", -1, "receipt"),
        ("index", False, "receipt"),
        pytest.param("index", 10**5000, "receipt", id="huge"),
        ("caller", "c" * 257, "receipt"),
        ("purpose", "p" * 65, "receipt"),
        ("input", "0" * 63, "receipt"),
        ("input", "A" * 64, "receipt"),
        ("output", "0" * 64 + "\n", "receipt"),
        ("model", "Tumour", "label"),
        ("version", "", "label"),
        ("time", "2026-02-30T00:00:00Z", "time"),
        ("origin", "", "origin"),
        ("origin", "a b", "origin"),
        ("origin", "o" * 257, "origin"),
    ],
)
def test_a_receipt_that_says_something_impossible_cannot_exist(field: str, value: object, code: str, refuses) -> None:
    with refuses(code):
        replace(RECEIPT, **{field: value})


@pytest.mark.parametrize("field", [field.name for field in fields(Receipt)])
def test_a_receipt_without_one_of_its_fields_is_refused(field: str, refuses) -> None:
    value = {name: item for name, item in to_json(RECEIPT).items() if name != field}
    with refuses("record-shape"):
        Receipt.from_bytes(canonical.encode(value))


def test_a_receipt_with_a_field_more_is_refused(refuses) -> None:
    with refuses("record-shape"):
        Receipt.from_bytes(canonical.encode({**to_json(RECEIPT), "zone": "eu"}))


@given(st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES), st.binary())
def test_commitments_are_salted_hashes_with_a_label_of_their_own(salt: bytes, body: bytes) -> None:
    assert commit_input(salt, body) == hashlib.sha256(b"mooring/input\0" + salt + body).digest()
    assert commit_output(salt, body) == hashlib.sha256(b"mooring/output\0" + salt + body).digest()


@pytest.mark.parametrize("commit", [commit_input, commit_output])
def test_a_salt_cannot_swallow_the_beginning_of_the_body(commit, refuses) -> None:
    body = b"deny: allow"
    assert commit(SALT, body) != commit(SALT, body[6:])
    with refuses("salt"):
        commit(SALT + body[:6], body[6:])
    with refuses("salt"):
        commit(SALT[:-1], SALT[-1:] + body)

"""Signed notes, against the vectors of C2SP and of the Go implementation, and their grammar torn at every seam."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.note import (
    COSIGNATURE,
    MAX_NOTE,
    MAX_SIGNATURES,
    Note,
    Signature,
    VerifierKey,
    open_note,
    parse_note,
    parse_signature,
    parse_vkey,
    sign,
)

# golang.org/x/mod sumdb/note/note_test.go at 02c991387e35f9e4c0a9b7ce137717055f8d716d
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
NOTE = f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}".encode()


def refused(code: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    with pytest.raises(ProofError) as caught:
        work(*arguments, **named)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value.message


def keypair(name: str, type: int = 1, seed: bytes = bytes(32)) -> tuple[VerifierKey, Callable[[bytes], bytes]]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return VerifierKey(name, public, type), private.sign


def test_golang_note_test_verifier_key() -> None:
    key = parse_vkey(PETER)
    assert (key.name, key.type, key.id.hex()) == ("PeterNeumann", 1, "c74f20a3")
    assert str(key) == PETER


def test_golang_note_test_no_part_of_a_verifier_key_is_one() -> None:
    pieces = {PETER[begin:end] for begin in range(len(PETER)) for end in range(begin, len(PETER) + 1)} - {PETER}
    for piece in pieces:
        refused("note-key", parse_vkey, piece)


def test_golang_note_test_no_byte_of_a_verifier_key_can_change() -> None:
    for at in range(len(PETER)):
        changed = PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :]
        refused("note-key", parse_vkey, changed)


@pytest.mark.parametrize(
    "vkey",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!",
        "rekor.sigstore.dev+12345678+AwEB",
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER + "=",
        "+" + PETER,
        "x" * MAX_NOTE + PETER,
    ],
)
def test_golang_and_formats_bad_verifier_keys(vkey: str) -> None:
    refused("note-key", parse_vkey, vkey)


def test_transparency_dev_formats_verifier_keys_with_a_plus_in_the_key_and_of_type_4() -> None:
    """github.com/transparency-dev/formats note/note_cosigv1_test.go."""
    plus = "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6"
    witness = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    assert str(parse_vkey(plus)) == plus
    assert str(parse_vkey(witness)) == witness
    assert parse_vkey(witness).type == COSIGNATURE


def test_c2sp_signed_note_vector() -> None:
    """The verifier key and note of the test vectors of c2sp.org/signed-note."""
    key = parse_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    assert key.public_key.hex() == "e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4"
    note = (
        "This is an example message.\n\n— example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    assert open_note(note.encode(), [key]).text == "This is an example message.\n"
    refused("note-signature", open_note, note.replace("an example", "a forged").encode(), [key])


def test_c2sp_signed_note_example_keeps_the_empty_line_in_its_text() -> None:
    note = (
        "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
        "— quasimodo.example/salvatore "
        "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
    )
    parsed = parse_note(note.encode())
    assert parsed.text.endswith("sole:\n\ned è subito sera.\n")
    assert str(parsed) == note
    refused("note-unsigned", open_note, note.encode(), [parse_vkey(PETER)])


def test_golang_note_test_signing_gives_the_same_bytes() -> None:
    key = parse_vkey(PETER)
    signature = sign(TEXT, key, Ed25519PrivateKey.from_private_bytes(PETER_SEED).sign)
    assert str(Note(TEXT, (signature,))) == f"{TEXT}\n{PETER_LINE}"


def test_golang_note_test_open_with_one_both_or_neither_key() -> None:
    peter, enoch = parse_vkey(PETER), parse_vkey(ENOCH)
    one = open_note(NOTE, [peter])
    assert [key for key, _ in one.verified] == [peter]
    assert [str(signature) for signature in one.unknown] == [ENOCH_LINE]
    both = open_note(NOTE, [enoch, peter])
    assert [key for key, _ in both.verified] == [peter, enoch]
    assert both.unknown == ()
    refused("note-unsigned", open_note, NOTE, [])


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    enoch, peter = parse_vkey(ENOCH), parse_vkey(PETER)
    refused("note-key", open_note, NOTE, [enoch, peter, enoch])


def test_a_wrong_signature_by_a_known_key_spoils_the_note_whatever_else_signed_it() -> None:
    peter, enoch = parse_vkey(PETER), parse_vkey(ENOCH)
    damaged = parse_signature(ENOCH_LINE)
    wrong = Signature(damaged.name, damaged.id, damaged.value[:-1] + bytes([damaged.value[-1] ^ 1]))
    note = f"{TEXT}\n{PETER_LINE}{wrong}".encode()
    assert len(open_note(note, [peter]).unknown) == 1
    refused("note-signature", open_note, note, [peter, enoch])
    longer = Signature(damaged.name, damaged.id, damaged.value + b"\0")
    refused("note-signature", open_note, f"{TEXT}\n{PETER_LINE}{longer}".encode(), [peter, enoch])


def test_a_signature_with_the_name_or_the_id_of_a_known_key_alone_is_unknown() -> None:
    peter, line = parse_vkey(PETER), parse_signature(PETER_LINE)
    namesake = Signature("PeterNeumann", b"\0\0\0\0", line.value)
    other = Signature("CarmenSandiego", line.id, line.value)
    assert open_note(f"{TEXT}\n{PETER_LINE}{namesake}{other}".encode(), [peter]).unknown == (namesake, other)
    refused("note-unsigned", open_note, f"{TEXT}\n{namesake}{other}".encode(), [peter])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        TEXT + "\n" + PETER_LINE[:-1],
        TEXT + PETER_LINE,
        "\x01" + TEXT + "\n" + PETER_LINE,
        TEXT.replace("\n", "\r\n") + "\n" + PETER_LINE,
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad Name"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad+Name"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad\u00a0Name"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad\u2028Name"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad\tName"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann ", ""),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", ""),
        TEXT + "\n" + PETER_LINE.replace("—", "-"),
        TEXT + "\n" + PETER_LINE.replace("— ", "—"),
        TEXT + "\n" + PETER_LINE + "Unexpected line.\n",
        TEXT + "\n" + PETER_LINE + "\n",
        TEXT + "\n" + PETER_LINE.replace("=\n", "\n"),
        TEXT + "\n" + PETER_LINE.replace("M=\n", "N=\n"),
        TEXT + "\n" + PETER_LINE.replace("x08g", "x0 8g"),
        TEXT + "\n— PeterNeumann x08gow==\n",
        TEXT + "\n— PeterNeumann \n",
        TEXT + "\n" + PETER_LINE * (MAX_SIGNATURES + 1),
        "x" * MAX_NOTE + "\n\n" + PETER_LINE,
    ],
)
def test_golang_note_test_malformed_notes_and_more(note: str) -> None:
    refused("note-format", parse_note, note.encode())


def test_a_note_that_is_not_utf_8_is_refused() -> None:
    refused("note-format", parse_note, b"\xff" + NOTE)


def test_a_signature_line_is_exactly_one_line() -> None:
    assert str(parse_signature(PETER_LINE)) == PETER_LINE
    refused("note-format", parse_signature, PETER_LINE[:-1])
    refused("note-format", parse_signature, PETER_LINE + ENOCH_LINE)


def test_a_note_takes_up_to_100_signatures_and_needs_one() -> None:
    """C2SP signed-note: verifiers take at least 16."""
    assert len(parse_note(f"{TEXT}\n{PETER_LINE * MAX_SIGNATURES}".encode()).signatures) == MAX_SIGNATURES
    assert len(open_note(f"{TEXT}\n{PETER_LINE * 16}".encode(), [parse_vkey(PETER)]).verified) == 16
    refused("note-format", Note, TEXT, ())
    refused("note-format", Note, TEXT[:-1], (parse_signature(PETER_LINE),))


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=60), st.integers(1, 4))
def test_a_note_is_read_as_it_was_written(line: str, times: int) -> None:
    key, private = keypair("example.com/log")
    text = f"{line}\n" * times
    note = Note(text, (sign(text, key, private),))
    assert parse_note(str(note).encode()) == note
    assert open_note(str(note).encode(), [key]).text == text


@given(st.data())
def test_no_byte_of_a_signed_note_can_change(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(NOTE) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != NOTE[at]))
    changed = NOTE[:at] + bytes([byte]) + NOTE[at + 1 :]
    with suppress(ProofError):
        opened = open_note(changed, [parse_vkey(PETER), parse_vkey(ENOCH)])
        # A changed name or id makes one signature a stranger's: it does not count, and the text is as it was.
        assert (len(opened.verified), len(opened.unknown), opened.text) == (1, 1, TEXT)


def test_signing_with_the_wrong_private_key_is_found_at_once() -> None:
    key, _ = keypair("example.com/log")
    _, other = keypair("example.com/log", seed=b"\1" * 32)
    refused("note-signature", sign, TEXT, key, other)


def test_a_time_belongs_to_a_cosignature_and_to_no_other() -> None:
    log, private = keypair("example.com/log")
    witness, _ = keypair("example.com/witness", COSIGNATURE)
    refused("note-key", sign, TEXT, log, private, timestamp_s=1)
    refused("note-key", sign, TEXT, witness, private)
    assert sign(TEXT, witness, private, timestamp_s=1).timestamp_s == 1


def test_transparency_dev_formats_cosignature_timestamp() -> None:
    """github.com/transparency-dev/formats note/note_cosigv1_test.go, TestCoSigV1Timestamp."""
    works = "ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJXORmnFBOBA=="
    assert parse_signature(f"— witness {works}\n").timestamp_s == 1727964367
    plain = "eQjRQm6eSKzFoiYalgwCPXu2y3ijtg68is9M46JKxuZB+dRfTmeQeDBoXnvxZx2ugnkyV+MUMLXpWs1hPb/W/4xkNQY="
    refused("cosignature", lambda: parse_signature(f"— witness {plain}\n").timestamp_s)


def test_c2sp_tlog_cosignature_a_time_above_2_to_the_63_is_refused() -> None:
    latest = Signature("w", b"\0\0\0\0", (2**63 - 1).to_bytes(8, "big") + bytes(64))
    assert latest.timestamp_s == 2**63 - 1
    refused("cosignature", lambda: Signature("w", b"\0\0\0\0", (2**63).to_bytes(8, "big") + bytes(64)).timestamp_s)


@pytest.mark.parametrize(("public", "type"), [(bytes(31), 1), (bytes(33), 1), (bytes(32), 2), (bytes(32), 6)])
def test_only_ed25519_keys_of_32_bytes_are_known(public: bytes, type: int) -> None:
    refused("note-key", VerifierKey, "example.com/log", public, type)
    refused("note-key", VerifierKey, "", bytes(32))

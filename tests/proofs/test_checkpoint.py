"""Checkpoints and cosignatures: a real one from the public witness network, the specs' examples, and refusals."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.checkpoint import (
    MAX_SKEW_S,
    Checkpoint,
    cosign,
    open_checkpoint,
    parse_checkpoint,
    read_checkpoint,
    sign_checkpoint,
)
from mooring.proofs.merkle import EMPTY_ROOT, MAX_SIZE, leaf_hash
from mooring.proofs.note import COSIGNATURE, Note, VerifierKey, parse_vkey, sign

ORIGIN = "example.com/log"
ROOT = leaf_hash(b"entry")
NOW = 1_800_000_000

# A checkpoint of the CT log arche2025h1.staging as the public witness network cosigned it in May 2026 (PyPI project
# tlog-scales, its tests); the keys are the ones that the log and the witnesses publish.
ARCHE = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
""".encode()  # noqa: E501 - lines of the vector
ARCHE_KEY = parse_vkey("arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f")
ARCHE_WITNESSES = [
    parse_vkey("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"),
    parse_vkey("transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM"),
    parse_vkey("witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO"),
]


def keypair(name: str, type: int = 1, seed: int = 0) -> tuple[VerifierKey, Callable[[bytes], bytes]]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return VerifierKey(name, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), type), private.sign


LOG, LOG_PRIVATE = keypair(ORIGIN)
FIRST, FIRST_PRIVATE = keypair("example.com/first", COSIGNATURE, 1)
SECOND, SECOND_PRIVATE = keypair("example.com/second", COSIGNATURE, 2)
CHECKPOINT = Checkpoint(ORIGIN, 7, ROOT)


def cosigned(*times: tuple[VerifierKey, Callable[[bytes], bytes], int]) -> bytes:
    """The checkpoint, signed by the log and cosigned at these times."""
    data = sign_checkpoint(CHECKPOINT, LOG, LOG_PRIVATE)
    return data + "".join(str(cosign(data, key, private, at)) for key, private, at in times).encode()


def refused(code: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    with pytest.raises(ProofError) as caught:
        work(*arguments, **named)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value.message


def test_a_real_checkpoint_of_the_public_witness_network_opens() -> None:
    opened = open_checkpoint(ARCHE, ARCHE_KEY, ARCHE_WITNESSES, 3, 1779573024)
    assert opened.checkpoint.size == 1432088532
    assert {(one.witness.name, one.timestamp_s) for one in opened.cosignatures} == {
        (witness.name, 1779573024) for witness in ARCHE_WITNESSES
    }
    assert [signature.name for signature in opened.unknown] == [ARCHE_KEY.name, "witness.stagemole.eu"]


def test_a_real_checkpoint_of_the_public_witness_network_with_another_size_is_refused() -> None:
    changed = ARCHE.replace(b"1432088532", b"1432088533")
    refused("note-signature", open_checkpoint, changed, ARCHE_KEY, ARCHE_WITNESSES, 3)


def test_torchwood_witness_test_sigsum_checkpoint() -> None:
    """github.com/FiloSottile/torchwood internal/witness/witness_test.go, TestRace."""
    origin = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
    key = VerifierKey(origin, bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"))
    note = (
        f"{origin}\n1\nKgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— {origin} "
        "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=\n"
    )
    assert open_checkpoint(note.encode(), key).checkpoint == Checkpoint(origin, 1, b"\x2a" + bytes(31))
    refused("note-signature", open_checkpoint, note.replace("\n1\n", "\n2\n").encode(), key)


def test_c2sp_tlog_cosignature_example_is_read() -> None:
    note = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "— witness.example.com/w1 "
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )
    checkpoint, parsed = read_checkpoint(note.encode())
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert parsed.signatures[1].timestamp_s == 1679315147
    assert str(parsed) == note


def test_a_checkpoint_opens_with_its_logs_key_and_no_other() -> None:
    data = sign_checkpoint(CHECKPOINT, LOG, LOG_PRIVATE)
    assert open_checkpoint(data, LOG).checkpoint == CHECKPOINT
    stranger, _ = keypair(ORIGIN, seed=9)
    refused("note-unsigned", open_checkpoint, data, stranger)


def test_witnesses_without_the_log_do_not_make_a_checkpoint() -> None:
    data = cosigned((FIRST, FIRST_PRIVATE, NOW))
    alone = str(Note(CHECKPOINT.text, read_checkpoint(data)[1].signatures[1:])).encode()
    assert len(open_checkpoint(data, LOG, [FIRST], 1).cosignatures) == 1
    refused("checkpoint-signature", open_checkpoint, alone, LOG, [FIRST], 1)


def test_a_checkpoint_of_another_log_with_the_same_key_is_refused() -> None:
    other = sign_checkpoint(Checkpoint("example.com/other", 7, ROOT), LOG, LOG_PRIVATE)
    refused("checkpoint-origin", open_checkpoint, other, LOG)
    assert open_checkpoint(other, LOG, origin="example.com/other").checkpoint.size == 7
    refused("checkpoint-origin", open_checkpoint, other, LOG, origin="example.com/third")


def test_a_quorum_counts_known_witnesses_once_each() -> None:
    data = cosigned((FIRST, FIRST_PRIVATE, NOW - 60), (FIRST, FIRST_PRIVATE, NOW), (FIRST, FIRST_PRIVATE, NOW - 30))
    opened = open_checkpoint(data, LOG, [FIRST, SECOND], 1)
    assert [(one.witness, one.timestamp_s) for one in opened.cosignatures] == [(FIRST, NOW)]
    refused("cosignature-quorum", open_checkpoint, data, LOG, [FIRST, SECOND], 2)
    both = cosigned((FIRST, FIRST_PRIVATE, NOW), (SECOND, SECOND_PRIVATE, NOW))
    assert len(open_checkpoint(both, LOG, [FIRST, SECOND], 2).cosignatures) == 2
    assert open_checkpoint(both, LOG, [SECOND], 1).unknown[0].name == FIRST.name


def test_a_cosignature_from_the_future_is_refused_beyond_the_allowed_skew() -> None:
    data = cosigned((FIRST, FIRST_PRIVATE, NOW + MAX_SKEW_S))
    assert open_checkpoint(data, LOG, [FIRST], 1, NOW).cosignatures[0].timestamp_s == NOW + MAX_SKEW_S
    refused("cosignature-future", open_checkpoint, data, LOG, [FIRST], 1, NOW - 1)
    assert open_checkpoint(data, LOG, [FIRST], 1).cosignatures


def test_a_cosignature_covers_its_time_and_the_extensions() -> None:
    extended = Checkpoint(ORIGIN, 7, ROOT, ("extension 1", "extension 2"))
    data = sign_checkpoint(extended, LOG, LOG_PRIVATE)
    signature = cosign(data, FIRST, FIRST_PRIVATE, NOW)
    whole = data + str(signature).encode()
    assert open_checkpoint(whole, LOG, [FIRST], 1).checkpoint == extended
    plain = sign_checkpoint(CHECKPOINT, LOG, LOG_PRIVATE) + str(signature).encode()
    refused("note-signature", open_checkpoint, plain, LOG, [FIRST], 1)
    later = (
        data + str(type(signature)(FIRST.name, FIRST.id, (NOW + 1).to_bytes(8, "big") + signature.value[8:])).encode()
    )
    refused("note-signature", open_checkpoint, later, LOG, [FIRST], 1)


def test_a_log_signature_is_no_cosignature_by_the_same_key() -> None:
    """The type byte in the key id keeps the two apart (C2SP signed-note)."""
    both, private = keypair(ORIGIN, COSIGNATURE)
    data = sign_checkpoint(CHECKPOINT, LOG, LOG_PRIVATE)
    refused("cosignature-quorum", open_checkpoint, data, LOG, [both], 1)
    assert open_checkpoint(data + str(cosign(data, both, private, NOW)).encode(), LOG, [both], 1).cosignatures


def test_one_public_key_under_two_names_is_not_two_witnesses() -> None:
    twin = VerifierKey("example.com/twin", FIRST.public_key, COSIGNATURE)
    refused("cosignature-keys", open_checkpoint, cosigned((FIRST, FIRST_PRIVATE, NOW)), LOG, [FIRST, twin], 1)


@pytest.mark.parametrize(
    ("log", "witnesses", "required"),
    [(FIRST, [], 0), (LOG, [LOG], 0), (LOG, [FIRST], 2), (LOG, [FIRST], -1), (LOG, [], 1)],
)
def test_keys_of_the_wrong_type_and_impossible_quorums_are_refused(
    log: VerifierKey, witnesses: list[VerifierKey], required: int
) -> None:
    refused("cosignature-keys", open_checkpoint, cosigned((FIRST, FIRST_PRIVATE, NOW)), log, witnesses, required)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Head\n9944\n",
        f"\n7\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n7\n{base64.b64encode(ROOT).decode()}",
        f"Log\nbananas\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n-34\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n3438945738945739845734895735\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n{MAX_SIZE + 1}\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n07\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n+7\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n٧\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n\n{base64.b64encode(ROOT).decode()}\n",
        f"Log\n0\n{base64.b64encode(ROOT).decode()}\n",
        "Log\n123\nThisIsn'tBase64\n",
        "Log\n123\nYmFuYW5hcw==\n",
        f"Log\n7\n{base64.b64encode(ROOT).decode()}=\n",
        f"Log\n7\n{base64.b64encode(ROOT).decode()}\n\n",
        f"Log\n7\n{base64.b64encode(ROOT).decode()}\next\n\n",
        f"Log\n7\n{base64.b64encode(ROOT).decode()}\nex\rt\n",
    ],
)
def test_transparency_dev_formats_checkpoint_malformed_texts_and_more(text: str) -> None:
    refused("checkpoint", parse_checkpoint, text)


@pytest.mark.parametrize(
    ("origin", "valid"),
    [("", False), ("a", True), ("a" * 255, True), ("a" * 256, False), ("é" * 127 + "a", True), ("é" * 128, False)],
)
def test_torchwood_checkpoint_origin_length(origin: str, valid: bool) -> None:
    if valid:
        assert parse_checkpoint(Checkpoint(origin, 1, ROOT, ("extension",)).text).origin == origin
    else:
        refused("checkpoint", Checkpoint, origin, 1, ROOT, ("extension",))


def test_torchwood_checkpoint_origin_may_hold_spaces_and_plus() -> None:
    assert parse_checkpoint(Checkpoint("example log+origin", 1, ROOT).text).origin == "example log+origin"


def test_an_empty_log_has_the_empty_root_and_no_other() -> None:
    assert parse_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text).size == 0
    refused("checkpoint", Checkpoint, ORIGIN, 0, ROOT)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=60),
    st.integers(1, MAX_SIZE),
    st.binary(min_size=32, max_size=32),
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1), max_size=3),
)
def test_a_checkpoint_is_read_as_it_was_written(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    data = sign_checkpoint(checkpoint, LOG, LOG_PRIVATE)
    assert open_checkpoint(data, LOG, origin=origin).checkpoint == checkpoint


def test_a_witness_cosigns_checkpoints_and_nothing_else() -> None:
    text = "not a checkpoint\n"
    refused("checkpoint", cosign, str(Note(text, (sign(text, LOG, LOG_PRIVATE),))).encode(), FIRST, FIRST_PRIVATE, NOW)

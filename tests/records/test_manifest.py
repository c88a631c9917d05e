"""Manifests: safe names, one order, one encoding."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mooring.errors import RecordError
from mooring.records import canonical, manifest
from mooring.records.digest import Digest, sha256
from mooring.records.manifest import Manifest, Resource, check_name
from mooring.records.shape import to_json

DIGEST = sha256(b"")
GOLDEN = (  # the format of version 0.1: the digest of these bytes is the artifact's name for ever
    b'{"resources":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",'
    b'"name":"data/train.csv","size":0},'
    b'{"digest":"commitment-sha256:0101010101010101010101010101010101010101010101010101010101010101",'
    b'"name":"people.enc","size":57}]}'
)
EXAMPLE = Manifest(
    (Resource("data/train.csv", DIGEST, 0), Resource("people.enc", Digest("commitment-sha256", b"\1" * 32), 57))
)

parts = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/\\:"), min_size=1, max_size=8)
names = (
    st.lists(parts, min_size=1, max_size=4)
    .map("/".join)
    .map(lambda name: unicodedata.normalize("NFC", name))
    .filter(lambda name: not {".", "..", ""} & set(name.split("/")))
)
digests = st.builds(Digest, st.sampled_from(["sha256", "blake3"]), st.binary(min_size=32, max_size=32))
resources = st.builds(Resource, names, digests, st.integers(0, 2**53 - 1))


def of_names(*given_names: str) -> Manifest:
    return Manifest(tuple(Resource(name, DIGEST, 1) for name in given_names))


@given(st.lists(resources, min_size=1, max_size=6))
def test_a_manifest_reads_back_from_its_bytes(items: list[Resource]) -> None:
    try:
        made = Manifest.of(items)
    except RecordError:
        assume(False)
    assert Manifest.from_bytes(made.to_bytes()) == made
    assert made.digest == sha256(made.to_bytes())
    assert all(made.find(item.name) is item for item in items)


def test_the_bytes_of_a_manifest_stay_as_they_are() -> None:
    assert EXAMPLE.to_bytes() == GOLDEN
    assert Manifest.from_bytes(GOLDEN) == EXAMPLE
    assert str(EXAMPLE.digest) == "sha256:f55de893bbf64006916602032d5e4217346e214b39c2911eaa3aef322636d88e"


def test_a_resource_is_found_by_its_exact_name_only() -> None:
    assert EXAMPLE.find("people.enc") == EXAMPLE.resources[1]
    assert EXAMPLE.find("People.enc") is None


@given(names)
def test_a_safe_name_stays_inside_the_artifact(name: str) -> None:
    assert check_name(name) == name
    assert not PurePosixPath(name).is_absolute()
    assert ".." not in PurePosixPath(name).parts


@given(st.text(max_size=20))
def test_any_name_is_either_safe_or_refused(name: str) -> None:
    try:
        check_name(name)
    except RecordError as error:
        code = error.code
    else:
        assert str(PurePosixPath(name)) == name
        assert name.encode().decode() == name
        return
    assert code == "resource-name"


@pytest.mark.parametrize(
    "name", ["a", "ä/ö.bin", "a/b/c", "...", "..a", "a..", "-rf", "a b", "日本/模型.onnx", "x" * 1024, "a/b:c"]
)
def test_ordinary_names_are_safe(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 1025,
        "/etc/passwd",
        "..",
        "../a",
        "a/../../b",
        "a/..",
        ".",
        "./a",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "..\\a",
        "C:/a",
        "C:a",
        "file:a",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\u2029b",
        "a\u202efdp.exe",
        "a\u2066b",
        "a\udcffb",
        "a\ue000b",
        "a\uffffb",
        "a\u0301",
        "\u212b",
        "s\u0307\u0323",
    ],
)
def test_names_that_leave_the_artifact_or_deceive_are_refused(name: str, refuses) -> None:
    with refuses("resource-name"):
        Resource(name, DIGEST, 1)


@pytest.mark.parametrize("size", [0, 1, 2**53 - 1])
def test_every_size_that_json_can_carry_is_taken(size: int) -> None:
    assert Resource("a", DIGEST, size).size == size


@pytest.mark.parametrize("size", [-1, 2**53, True, False, 1.0])
def test_a_size_that_is_no_count_of_bytes_is_refused(size: int, refuses) -> None:
    with refuses("resource-size"):
        Resource("a", DIGEST, size)


def test_an_empty_manifest_is_refused(refuses) -> None:
    with refuses("manifest-empty"):
        Manifest(())
    with refuses("manifest-empty"):
        Manifest.from_bytes(b'{"resources":[]}')


def test_resources_are_counted_up_to_the_limit(monkeypatch, refuses) -> None:
    monkeypatch.setattr(manifest, "_MAX_RESOURCES", 2)
    assert len(of_names("a", "b").resources) == 2
    with refuses("manifest-size"):
        of_names("a", "b", "c")


def test_a_manifest_that_nobody_could_read_has_no_bytes_and_no_digest(monkeypatch, refuses) -> None:
    monkeypatch.setattr(manifest, "_MAX_BYTES", len(GOLDEN))
    assert Manifest.from_bytes(EXAMPLE.to_bytes()) == EXAMPLE
    monkeypatch.setattr(manifest, "_MAX_BYTES", len(GOLDEN) - 1)
    with refuses("manifest-size"):
        _ = EXAMPLE.digest
    with refuses("json"):
        Manifest.from_bytes(GOLDEN)


def test_resources_stand_in_the_order_of_their_names(refuses) -> None:
    assert of_names("a", "b") == Manifest.of(reversed(of_names("a", "b").resources))
    with refuses("manifest-order"):
        of_names("b", "a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "a"),
        ("model.onnx", "model.onnx"),
        ("A.txt", "a.txt"),
        ("STRASSE", "straße"),
        ("Σ", "ς"),
        ("d/A", "d/a"),
        ("a", "a/b"),
        ("A", "a/b"),
        ("a/b", "a/b/c/d"),
        ("\u1fb3", "αι"),
    ],
)
def test_names_that_collide_where_case_is_ignored_or_as_folders_are_refused(one: str, other: str, refuses) -> None:
    with refuses("resource-name-collision"):
        of_names(*sorted([one, other]))


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("a", "a.b"), ("a-b", "a/b"), ("a/b", "a/c"), ("ab/c", "a/b")])
def test_names_that_only_look_alike_stand_side_by_side(one: str, other: str) -> None:
    assert len(of_names(*sorted([one, other])).resources) == 2


def test_a_name_given_twice_in_bytes_is_refused(refuses) -> None:
    value = to_json(of_names("a"))
    with refuses("resource-name-collision"):
        Manifest.from_bytes(canonical.encode({"resources": value["resources"] * 2}))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (GOLDEN + b"\n", "not-canonical"),
        (GOLDEN.replace(b'"size":57', b'"size":5.7e1'), "record-shape"),
        (GOLDEN.replace(b"people", b"\\u0070eople"), "not-canonical"),
        (GOLDEN.replace(b'"size":57', b'"size":true'), "record-shape"),
        (GOLDEN.replace(b'"size":57', b'"size":"57"'), "record-shape"),
        (GOLDEN.replace(b',"size":57', b""), "record-shape"),
        (GOLDEN.replace(b'"size":57', b'"mode":493,"size":57'), "record-shape"),
        (GOLDEN.replace(b"people.enc", b"../people.enc"), "resource-name"),
        (GOLDEN.replace(b"commitment-sha256", b"md5"), "digest-format"),
        (GOLDEN.replace(b"data/", b"zata/"), "manifest-order"),
        (b"[]", "record-shape"),
        (b"{}", "record-shape"),
        (b'{"resources":{}}', "record-shape"),
        (GOLDEN[:-1], "json"),
    ],
)
def test_bytes_that_are_not_exactly_a_manifest_are_refused(data: bytes, code: str, refuses) -> None:
    with refuses(code):
        Manifest.from_bytes(data)

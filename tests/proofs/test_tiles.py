"""Tiles and bundles, against the text of C2SP tlog-tiles and a reader written straight from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs import merkle
from mooring.proofs.tiles import (
    ENTRIES,
    MAX_ENTRY,
    Tile,
    encode_bundle,
    hash_getter,
    node_in_tile,
    parse_bundle,
    parse_hash_tile,
    parse_path,
    tile_of,
    tiles_between,
)

LARGEST = 70_000
SIZES = st.one_of(
    st.integers(1, 1000), st.integers(1, LARGEST), st.sampled_from([255, 256, 257, 65_535, 65_536, 65_537])
)


def leaf(index: int) -> bytes:
    return merkle.leaf_hash(index.to_bytes(8, "big"))


def refused(work: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(ProofError) as caught:
        work(*arguments)
    assert caught.value.code == "tile"
    assert caught.value.hint
    return caught.value.message


@cache
def row(level: int) -> bytes:
    """All complete nodes of one level of the tree of LARGEST entries; smaller trees have the first of them."""
    if level == 0:
        return b"".join(map(leaf, range(LARGEST)))
    below = row(level - 1)
    return merkle.fold(below[: len(below) // 64 * 64])


def published(tile: Tile) -> bytes:
    """MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l]) for each i of the tile."""
    begin = tile.index * 256 * 32
    return row(8 * tile.level)[begin : begin + tile.width * 32]


def mth(begin: int, end: int) -> bytes:
    return merkle.root_of_leaves([row(0)[begin * 32 : end * 32]])


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/000", Tile(0, 0)),
        ("tile/0/x001/x234/067", Tile(0, 1234067)),
        ("tile/0/x001/x234/067.p/5", Tile(0, 1234067, 5)),
        ("tile/entries/x001/x234/067", Tile(ENTRIES, 1234067)),
        ("tile/63/999.p/255", Tile(63, 999, 255)),
        ("tile/1/x001/000", Tile(1, 1000)),
        ("tile/5/x123/x456/078.p/2", Tile(5, 123456078, 2)),
    ],
)
def test_c2sp_tlog_tiles_paths(path: str, tile: Tile) -> None:
    assert tile.path == path
    assert parse_path(path) == tile
    assert tile.partial == (".p/" in path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/1234",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x01/002",
        "tile/0/x001",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/data/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001.p",
        "tile/0/001/",
        "/tile/0/001",
        "tile/0/001\n",
        "tile/0/٠٠١",
        "tile/0/../001",
        "tile/0/" + "x001/" * 20 + "001",
        "checkpoint",
    ],
)
def test_any_other_spelling_of_a_path_is_refused(path: str) -> None:
    refused(parse_path, path)


@pytest.mark.parametrize(
    ("level", "index", "width"), [(-2, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)]
)
def test_a_tile_that_cannot_be_does_not_exist(level: int, index: int, width: int) -> None:
    refused(Tile, level, index, width)


@given(st.integers(-1, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_every_tile_has_one_path_that_leads_back_to_it(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_path(tile.path) == tile


def test_c2sp_tlog_tiles_example_of_70_000_entries() -> None:
    tiles = [tile for tile in tiles_between(0, 70_000) if tile.level != ENTRIES]
    assert [tile for tile in tiles if tile.level == 0] == [*(Tile(0, index) for index in range(273)), Tile(0, 273, 112)]
    assert [tile for tile in tiles if tile.level == 1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert [tile for tile in tiles if tile.level == 2] == [Tile(2, 0, 1)]
    assert len(tiles) == 277


def test_c2sp_tlog_tiles_example_of_256_entries() -> None:
    assert list(tiles_between(0, 256)) == [Tile(ENTRIES, 0), Tile(0, 0), Tile(1, 0, 1)]


@given(st.lists(st.integers(0, 3000), min_size=2, max_size=6))
def test_the_tiles_written_step_by_step_are_the_ones_of_the_last_size(steps: list[int]) -> None:
    sizes = [0, *sorted(steps)]
    written = [tile for old, new in pairwise(sizes) for tile in tiles_between(old, new)]
    assert set(tiles_between(0, sizes[-1])) <= set(written)
    assert len(set(written)) == len(written)


def test_a_log_that_does_not_grow_writes_nothing_and_one_that_shrinks_is_refused() -> None:
    assert list(tiles_between(300, 300)) == []
    refused(lambda: list(tiles_between(300, 299)))
    refused(lambda: list(tiles_between(-1, 2)))


@settings(deadline=None)
@given(SIZES, st.data())
def test_proofs_are_built_from_tiles_alone(size: int, data: st.DataObject) -> None:
    read: list[Tile] = []

    def fetch(tile: Tile) -> bytes:
        read.append(tile)
        return published(tile)

    get = hash_getter(size, fetch)
    root = merkle.root_of(size, get)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    merkle.verify_inclusion(leaf(index), index, size, merkle.inclusion_path(index, size, get), root)
    merkle.verify_consistency(old, merkle.root_of(old, get), size, root, merkle.consistency_path(old, size, get))
    assert set(read) <= set(tiles_between(0, size))
    assert size > 1000 or root == mth(0, size)


@settings(deadline=None)
@given(st.integers(1, 700), st.data())
def test_each_node_is_in_the_tile_that_tile_of_names(size: int, data: st.DataObject) -> None:
    level = data.draw(st.integers(0, size.bit_length() - 1))
    index = data.draw(st.integers(0, (size >> level) - 1))
    assert node_in_tile(published(tile_of(level, index, size)), level, index) == mth(
        index << level, (index + 1) << level
    )
    refused(tile_of, level, size >> level, size)


@pytest.mark.parametrize(("level", "index"), [(-1, 0), (0, -1), (0, 5), (2, 1), (3, 0)])
def test_a_node_that_is_not_complete_is_in_no_tile(level: int, index: int) -> None:
    refused(tile_of, level, index, 5)


def test_a_tile_of_the_wrong_length_is_refused() -> None:
    tile = Tile(0, 0, 3)
    assert parse_hash_tile(bytes(96), tile) == [bytes(32)] * 3
    for length in (0, 64, 95, 97, 128):
        refused(parse_hash_tile, bytes(length), tile)
    refused(hash_getter(3, lambda tile: bytes(64)), 0, 0)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    bundle = encode_bundle(entries)
    assert parse_bundle(bundle, len(entries)) == entries
    refused(parse_bundle, bundle, len(entries) + 1)
    refused(parse_bundle, bundle, len(entries) - 1)
    refused(parse_bundle, bundle[:-1], len(entries))
    refused(parse_bundle, bundle + b"\0", len(entries))
    refused(parse_bundle, bundle + b"\0\0", len(entries))


def test_c2sp_tlog_tiles_bundle_is_length_prefixed_big_endian() -> None:
    assert encode_bundle([b"abc", b"", b"x" * 258]) == b"\x00\x03abc" + b"\x00\x00" + b"\x01\x02" + b"x" * 258
    assert parse_bundle(b"\x00\x03abc\x00\x00", 2) == [b"abc", b""]


def test_an_entry_fits_a_bundle_up_to_65_535_bytes() -> None:
    assert parse_bundle(encode_bundle([bytes(MAX_ENTRY)]), 1) == [bytes(MAX_ENTRY)]
    assert "65536 bytes" in refused(encode_bundle, [bytes(MAX_ENTRY + 1)])


def test_a_bundle_holds_1_to_256_entries() -> None:
    assert len(parse_bundle(encode_bundle([b""] * 256), 256)) == 256
    refused(encode_bundle, [b""] * 257)
    refused(encode_bundle, [])

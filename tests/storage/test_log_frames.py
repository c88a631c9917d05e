"""Frames: what a segment's bytes say after a crash, at every point where power can fail, and after every bit of rot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import CorruptError
from mooring.storage.frames import HEADER_SIZE, MARK_SIZE, Frame, Header, encode_frame, encode_mark, scan

HEADER = Header(100, b"saltsalt", bytes(range(32)))
BATCHES = st.lists(st.lists(st.binary(max_size=60), min_size=1, max_size=5), max_size=5)
ROOM = 4096


def segment(batches: list[list[bytes]], marks: int | None = None) -> bytes:
    """A segment of these frames, the first `marks` of them marked (all, unless said), with zeroes behind."""
    data, index = HEADER.encode(), HEADER.first
    for number, batch in enumerate(batches):
        data += encode_frame(HEADER, index, batch)
        index += len(batch)
        data += encode_mark(HEADER, index) if marks is None or number < marks else bytes(MARK_SIZE)
    return data + bytes(ROOM)


def read(data: bytes) -> list[list[bytes]]:
    found = scan(data, "segment")
    return [frame.entries(found.header, data[frame.offset : frame.mark]) for frame in found.frames]


@given(BATCHES)
def test_frames_give_their_entries_back(batches: list[list[bytes]]) -> None:
    data = segment(batches)
    found = scan(data, "segment")
    assert read(data) == batches
    assert found.header == HEADER
    assert found.end == 100 + sum(map(len, batches))
    assert (found.marked, found.stop) == (len(batches), len(data) - ROOM)
    assert found.dirty <= found.stop


@given(BATCHES, st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_a_last_frame_without_a_mark_is_whole_but_was_not_acknowledged(
    batches: list[list[bytes]], last: list[bytes]
) -> None:
    data = segment([*batches, last], len(batches))
    found = scan(data, "segment")
    assert read(data) == [*batches, last]
    assert found.marked == len(batches)
    assert found.stop == len(data) - ROOM - MARK_SIZE


@given(BATCHES, st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5), st.data())
def test_a_torn_write_is_told_from_what_was_acknowledged(
    batches: list[list[bytes]], last: list[bytes], data: st.DataObject
) -> None:
    """Power fails while the last frame is on its way: any of its 16-byte pieces may be missing."""
    whole, before = segment([*batches, last], len(batches)), segment(batches)
    begin, end = len(before) - ROOM, len(whole) - ROOM - MARK_SIZE
    pieces = range(begin, end, 16)
    lost = data.draw(st.sets(st.sampled_from(pieces), min_size=1))
    torn = bytearray(whole)
    for at in lost:
        torn[at : at + 16] = bytes(16)
    found = scan(bytes(torn), "segment")
    if bytes(torn) == whole:
        return
    assert read(bytes(torn)) == batches
    assert found.stop == begin
    assert (found.dirty > begin) == any(torn[begin:])


@given(BATCHES.filter(bool), st.data())
def test_rot_in_what_was_acknowledged_is_never_taken_for_a_torn_write(
    batches: list[list[bytes]], data: st.DataObject
) -> None:
    good = segment(batches)
    at = data.draw(st.integers(0, len(good) - ROOM - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    last_mark = len(good) - ROOM - MARK_SIZE
    if last_mark <= at < last_mark + 8:
        # Only the last mark's salt is gone: the frame is whole, and stays.
        assert read(bytes(bad)) == batches
        return
    with pytest.raises(CorruptError) as caught:
        scan(bytes(bad), "00000000000000000100")
    assert caught.value.code == ("segment-header" if at < HEADER_SIZE else "segment-frame")
    assert "00000000000000000100" in caught.value.message


@given(BATCHES.filter(lambda batches: len(batches) > 1), st.data())
def test_a_hole_with_acknowledged_frames_behind_it_is_corruption(
    batches: list[list[bytes]], data: st.DataObject
) -> None:
    good = segment(batches)
    second = len(segment(batches[:1])) - ROOM
    begin = data.draw(st.integers(HEADER_SIZE, second - MARK_SIZE - 1))
    bad = bytearray(good)
    bad[begin:second] = bytes(second - begin)
    with pytest.raises(CorruptError):
        scan(bytes(bad), "segment")


def test_an_entry_that_looks_like_a_frame_or_a_mark_of_another_segment_is_an_entry() -> None:
    other = Header(100, b"pepper!!", bytes(32))
    trap = encode_frame(other, 100, [b"trap"]) + encode_mark(other, 101)
    data = segment([[trap], [trap]], 1)
    torn = bytearray(data)
    second = len(segment([[trap]])) - ROOM
    torn[second + 4] ^= 1
    assert read(data) == [[trap], [trap]]
    assert read(bytes(torn)) == [[trap]]


@pytest.mark.parametrize("data", [b"", HEADER.encode()[:-1], bytes(64), b"NOTALOG1" + HEADER.encode()[8:]])
def test_a_file_without_a_header_is_no_segment(data: bytes) -> None:
    assert scan(HEADER.encode(), "segment").frames == ()
    with pytest.raises(CorruptError) as caught:
        scan(data, "segment")
    assert caught.value.code == "segment-header"


def test_a_frame_read_alone_is_checked() -> None:
    blob = encode_frame(HEADER, 100, [b"one", b"two"])
    frame = Frame.parse(blob, 0)
    assert frame is not None
    assert frame.entries(HEADER, blob) == [b"one", b"two"]
    for at in range(len(blob)):
        bad = bytearray(blob)
        bad[at] ^= 1
        with pytest.raises(CorruptError):
            frame.entries(HEADER, bytes(bad))
    assert Frame.parse(blob[:31], 0) is None

"""The index: what it finds, how it follows, and that it can be lost, damaged and filled again to the same rows."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from mooring.errors import BusyError, ConfigError, CorruptError, MooringError, StorageError
from mooring.storage.index import AttestationRow, EventRow, Index, IndexStep, Standing, Value
from mooring.storage.index_sql import SqlIndex

ORIGIN = "mooring.local/demo/records"
ASSET, OTHER_ASSET = 2**255 + 7, 9


def word(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")


def hexed(text: str) -> str:
    return word(text).hex()


def block_hash(number: int, fork: str = "a") -> str:
    return f"0x{fork}{number:03}"


class Chain:
    """Writes steps as a follower would hand them over."""

    def __init__(self) -> None:
        self.events: list[EventRow] = []
        self._positions: dict[int, int] = {}

    def add(self, block: int, name: str, fork: str = "a", contract: str = "AssetRegistry", /, **args: Value) -> None:
        position = self._positions.get(block, 0)
        self._positions[block] = position + 1
        named: Mapping[str, Value] = {key.rstrip("_"): value for key, value in args.items()}
        place = (block, block_hash(block, fork), position)
        self.events.append(EventRow(contract, name, named, *place, f"0xtx{block}-{position}", 1000 + block))

    def step(self, start: int, end: int, unwound_to: int | None = None, fork: str = "a") -> IndexStep:
        """The step from block `start` (not included; -1: the beginning) to `end`, with a trail of five blocks."""
        events = tuple(event for event in self.events if start < event.block <= end)
        trail = tuple((number, block_hash(number, fork)) for number in range(max(0, end - 4), end + 1))
        after = (start, block_hash(start, fork)) if start >= 0 else None
        return IndexStep(after, unwound_to, events, Standing(trail, end, end - 2, 1000 + end))


def life() -> Chain:
    """A data set, two models made from it, and what happened to them until block 9."""
    chain = Chain()
    chain.add(1, "AssetCreated", asset=ASSET, kind=1, owner="0xOwner", name="patients")
    chain.add(1, "AssetCreated", asset=OTHER_ASSET, kind=2, owner="0xOwner", name="tumour")
    propose(chain, 2, ASSET, "data-1")
    propose(chain, 3, OTHER_ASSET, "model-1", "data-1")
    chain.add(4, "Voted", action=word("x"), org=word("a"), voter="0xV", votes=1, call=b"\x01\x02")
    for number, org in enumerate(("org-b", "org-c"), 1):
        approver, evidence = f"0x{org}", word("evidence")
        chain.add(4, "Approved", version=word("model-1"), org=word(org), approver=approver, evidence=evidence,
                  approvals=number)  # fmt: skip
    status(chain, 4, "model-1", 1, 2)
    status(chain, 5, "model-1", 2, 3)
    chain.add(5, "CurrentChanged", asset=OTHER_ASSET, from_=bytes(32), to=word("model-1"))
    propose(chain, 6, OTHER_ASSET, "model-2", "data-1", "model-1")
    chain.add(7, "KeyRegistered", keyid=word("key"), org=word("org-a"), notBefore=5, notAfter=2**64 - 1)
    chain.add(8, "KeyRevoked", keyid=word("key"), org=word("org-a"), from_=77)
    anchor, log = ("a", "CheckpointAnchor"), word("origin")
    chain.add(7, "OriginOpened", *anchor, originId=log, writer="0xW", origin=ORIGIN)
    chain.add(7, "Anchored", *anchor, originId=log, size=10, root=word("root-10"))
    chain.add(8, "Anchored", *anchor, originId=log, size=2**63, root=word("root-2"))
    chain.add(9, "HandedOver", *anchor, originId=log, to="0xX", from_="0xW")
    chain.events.sort(key=lambda event: (event.block, event.position))
    return chain


def propose(chain: Chain, block: int, asset: int, version: str, *parents: str) -> None:
    chain.add(block, "Proposed", version=word(version), asset=asset, proposer="0xP", manifest=word("m" + version),
              attestation=word("a" + version), label=version[-1], parents=tuple(map(word, parents)))  # fmt: skip


def status(chain: Chain, block: int, version: str, before: int, after: int, fork: str = "a") -> None:
    chain.add(
        block, "StatusChanged", fork, version=word(version), from_=before, to=after, actor="0xA", reason=word("r")
    )


def attestation(index: int, origin: str = ORIGIN, **changes: str) -> AttestationRow:
    row = AttestationRow(
        origin=origin,
        index=index,
        leaf=f"{index:064x}",
        predicate_type="urn:mooring:model:v1",
        subject="tumour@1",
        digest="sha256:" + "ab" * 32,
        keyid="cd" * 32,
        time="2026-11-23T10:00:00Z",
        payload_digest=f"{index + 1000:064x}",
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # text fields by name


@pytest.fixture
def index(index_url: str) -> Iterator[SqlIndex]:
    index = SqlIndex(index_url)
    yield index
    index.close()


@pytest.fixture
def filled(index: SqlIndex) -> SqlIndex:
    fill(index)
    return index


def fill(index: SqlIndex, steps: tuple[int, ...] = (2, 5, 9)) -> None:
    chain, start = life(), -1
    for end in steps:
        index.apply(chain.step(start, end))
        start = end
    index.add_attestations([attestation(number) for number in range(5)])


# what it finds


def test_it_keeps_the_promises_of_the_port(filled: SqlIndex) -> None:
    port: Index = filled
    assert port.standing().tip == (9, "0xa009")


def test_assets_and_versions_are_found_in_the_order_of_the_ledger(filled: SqlIndex) -> None:
    assert [(asset.name, asset.kind, int(asset.asset, 16)) for asset in filled.assets()] == [
        ("patients", 1, ASSET),
        ("tumour", 2, OTHER_ASSET),
    ]
    assert [row.version for row in filled.versions(f"{OTHER_ASSET:064x}")] == [hexed("model-1"), hexed("model-2")]
    assert filled.versions("00" * 32) == ()
    found = filled.version(hexed("model-2"))
    assert found is not None
    assert (found.manifest, found.label, found.block) == (hexed("mmodel-2"), "2", 6)
    assert filled.version(hexed("model-3")) is None


def test_the_history_of_a_version_is_in_order_and_of_no_other(filled: SqlIndex) -> None:
    kinds = [type(row).__name__ for row in filled.history(hexed("model-1"))]
    assert kinds == ["VersionRow", "ApprovalRow", "ApprovalRow", "StatusRow", "StatusRow", "CurrentRow"]
    assert [type(row).__name__ for row in filled.history(hexed("data-1"))] == ["VersionRow"]
    assert filled.history(hexed("model-3")) == ()


def test_the_current_version_is_the_last_one_named(filled: SqlIndex) -> None:
    asset = f"{OTHER_ASSET:064x}"
    assert filled.current(asset) == hexed("model-1")
    assert filled.current(f"{ASSET:064x}") is None
    chain = life()
    chain.add(10, "CurrentChanged", asset=OTHER_ASSET, from_=word("model-1"), to=bytes(32))
    filled.apply(chain.step(9, 10))
    assert filled.current(asset) is None


def test_lineage_is_followed_however_far_and_each_edge_comes_once(filled: SqlIndex) -> None:
    above = [(row.version, row.parent) for row in filled.ancestors(hexed("model-2"))]
    assert above == [
        (hexed("model-1"), hexed("data-1")),
        (hexed("model-2"), hexed("data-1")),
        (hexed("model-2"), hexed("model-1")),
    ]
    assert {row.version for row in filled.descendants(hexed("data-1"))} == {hexed("model-1"), hexed("model-2")}
    assert filled.ancestors(hexed("data-1")) == ()
    assert filled.descendants(hexed("model-2")) == ()


def test_a_long_line_of_versions_is_followed_to_its_end(index: SqlIndex) -> None:
    chain = Chain()
    for number in range(300):
        propose(chain, number, OTHER_ASSET, f"v{number}", *([f"v{number - 1}"] if number else []))
    index.apply(chain.step(-1, 299))
    assert len(index.ancestors(hexed("v299"))) == 299
    assert len(index.descendants(hexed("v0"))) == 299


def test_keys_and_anchors_are_found_with_numbers_of_64_bits(filled: SqlIndex) -> None:
    registered, revoked = filled.keys(hexed("key"))
    assert (registered.not_before, registered.not_after, registered.revoked_from) == (5, 2**64 - 1, None)
    assert (revoked.not_before, revoked.not_after, revoked.revoked_from) == (None, None, 77)
    assert filled.keys() == (registered, revoked)
    assert filled.keys("00" * 32) == ()
    (opened,) = filled.origins(ORIGIN)
    assert (opened.origin_id, opened.writer) == (hexed("origin"), "0xW")
    assert [(row.size, row.root) for row in filled.anchors(opened.origin_id)] == [
        (10, hexed("root-10")),
        (2**63, hexed("root-2")),
    ]
    assert filled.origins("elsewhere") == filled.anchors("elsewhere") == ()


def test_events_come_back_exactly_as_they_were(filled: SqlIndex) -> None:
    assert filled.events() == tuple(life().events)
    (voted,) = filled.events("Voted")
    assert voted.args == {"action": word("x"), "org": word("a"), "voter": "0xV", "votes": 1, "call": b"\x01\x02"}


def test_every_kind_of_argument_survives(index: SqlIndex) -> None:
    values: dict[str, Value] = {
        "true": True, "one": 1, "huge": 2**256 - 1, "negative": -(2**70), "empty": b"", "text": '{"hex": "00"}',
        "nested": (1, (b"\0", "é", False), ()), "nul": "a\x7fb",
    }  # fmt: skip
    chain = Chain()
    chain.add(0, "Unheard", **values)
    index.apply(chain.step(-1, 0))
    (event,) = index.events()
    assert event.args == values
    assert type(event.args["true"]) is bool
    assert type(event.args["one"]) is int


FILTERS = [
    ({"subject": "tumour@2"}, [1, 3]),
    ({"digest": "sha256:" + "00" * 32}, [2]),
    ({"predicate_type": "urn:mooring:approval:v1"}, [3]),
    ({"keyid": "ef" * 32}, [4]),
    ({"subject": "tumour@2", "predicate_type": "urn:mooring:model:v1"}, [1]),
    ({"origin": ORIGIN}, [0, 1, 2, 3, 4]),
    ({"origin": "elsewhere"}, []),
    ({"subject": "TUMOUR@2"}, []),
    ({}, [0, 1, 2, 3, 4]),
]


@pytest.mark.parametrize(("wanted", "found"), FILTERS)
def test_attestations_are_found_by_what_they_have(index: SqlIndex, wanted: dict[str, str], found: list[int]) -> None:
    index.add_attestations(
        [
            attestation(0),
            attestation(1, subject="tumour@2"),
            attestation(2, digest="sha256:" + "00" * 32),
            attestation(3, subject="tumour@2", predicate_type="urn:mooring:approval:v1"),
            attestation(4, keyid="ef" * 32),
        ]
    )
    assert [row.index for row in index.attestations(**wanted)] == found


def test_a_statement_is_found_by_its_digest(index: SqlIndex) -> None:
    index.add_attestations([attestation(number) for number in range(3)])
    assert index.attestation(attestation(2).payload_digest) == attestation(2)
    assert index.attestation("00" * 32) is None


def test_the_same_attestation_again_changes_nothing_and_another_in_its_place_is_refused(index: SqlIndex) -> None:
    index.add_attestations([attestation(0), attestation(1)])
    index.add_attestations([attestation(1), attestation(2), attestation(2)])
    assert [row.index for row in index.attestations()] == [0, 1, 2]
    for rows in ([attestation(3), attestation(1, subject="forged")], [attestation(3), attestation(3, subject="x")]):
        with pytest.raises(CorruptError) as caught:
            index.add_attestations(rows)
        assert caught.value.code == "index-corrupt"
    assert index.attested(ORIGIN) == 3


def test_how_far_a_log_is_indexed_stops_at_the_first_gap(index: SqlIndex) -> None:
    assert index.attested(ORIGIN) == 0
    index.add_attestations([attestation(number) for number in (0, 1, 2, 5, 6)])
    index.add_attestations([attestation(0, origin="elsewhere"), attestation(1, origin="gap")])
    assert index.attested(ORIGIN) == 3
    assert index.attested("elsewhere") == 1
    assert index.attested("gap") == 0
    index.add_attestations([attestation(number) for number in (3, 4)])
    assert index.attested(ORIGIN) == 7
    index.add_attestations([])


# how it follows


def test_a_new_index_stands_before_the_beginning(index: SqlIndex) -> None:
    assert index.standing() == Standing()
    assert index.standing().tip is None


def test_a_step_is_kept_with_its_cursor(index: SqlIndex, index_url: str) -> None:
    step = life().step(-1, 5)
    index.apply(step)
    other = SqlIndex(index_url)
    assert other.standing() == step.standing
    assert other.events() == step.events
    other.close()


def test_a_reorganisation_takes_back_exactly_what_was_above_the_fork(index: SqlIndex, index_url: str) -> None:
    fill(index)
    chain = life()
    chain.events = [event for event in chain.events if event.block <= 4]
    status(chain, 5, "model-1", 2, 6, fork="b")
    new = chain.step(4, 6, fork="b")
    index.apply(replace(new, after=(9, block_hash(9)), unwound_to=4, events=tuple(chain.events[-1:])))
    assert index.events() == tuple(chain.events)
    assert index.current(f"{OTHER_ASSET:064x}") is None
    assert index.version(hexed("model-2")) is None
    assert index.ancestors(hexed("model-2")) == ()
    assert index.keys() == index.anchors(hexed("origin")) == index.origins(ORIGIN) == ()
    assert index.standing().tip == (6, "0xb006")
    assert index.attested(ORIGIN) == 5  # the log knows no forks
    index.check()


def test_random_forks_leave_what_one_straight_run_leaves(index: SqlIndex) -> None:
    chance = random.Random(20261123)
    events: list[EventRow] = []
    standing = Standing()
    for number in range(40):
        tip = standing.tip[0] if standing.tip else -1
        unwound_to = chance.randint(max(-1, tip - 4), tip) if tip >= 0 and chance.random() < 0.4 else None
        start = tip if unwound_to is None else unwound_to
        fork, end = f"f{number}", start + chance.randint(1, 3)
        fresh = Chain()
        for block in range(start + 1, end + 1):
            for _ in range(chance.randint(0, 2)):
                status(fresh, block, "model-1", chance.randint(1, 6), chance.randint(1, 6), fork)
        trail = tuple((block, block_hash(block, fork)) for block in range(max(0, end - 4), end + 1))
        step = IndexStep(standing.tip, unwound_to, tuple(fresh.events), Standing(trail, end, end, 0))
        index.apply(step)
        standing = step.standing
        events = [event for event in events if event.block <= start] + fresh.events
    assert index.events() == tuple(events)
    index.check()
    digest = index.digest()
    index.clear()
    index.apply(IndexStep(None, None, tuple(events), standing))
    assert index.digest() == digest


def test_a_step_that_another_follower_has_taken_changes_nothing(filled: SqlIndex) -> None:
    before = (filled.digest(), filled.standing())
    filled.apply(life().step(5, 9))
    filled.apply(life().step(5, 7))
    assert (filled.digest(), filled.standing()) == before


def test_of_a_step_that_another_follower_has_taken_in_part_the_rest_is_taken(index: SqlIndex) -> None:
    chain = life()
    index.apply(chain.step(-1, 5))
    index.apply(chain.step(5, 7))
    index.apply(chain.step(5, 9))  # by a follower that still stood at 5
    assert index.events() == tuple(chain.events)
    assert index.standing() == chain.step(5, 9).standing
    index.check()


def test_a_follower_that_lags_far_behind_changes_nothing(filled: SqlIndex) -> None:
    """Its last block is older than the index's trail; all its events are there."""
    before = (filled.digest(), filled.standing())
    filled.apply(life().step(-1, 2))
    filled.apply(life().step(1, 3))
    assert (filled.digest(), filled.standing()) == before


def test_where_blocks_are_final_at_once_a_short_trail_is_enough(index: SqlIndex) -> None:
    chain = life()

    def step(start: int, end: int) -> IndexStep:
        whole = chain.step(start, end)
        return replace(whole, standing=Standing(whole.standing.trail[-1:], end, end, 0))

    index.apply(step(-1, 5))
    index.apply(step(3, 8))
    index.apply(step(4, 6))
    index.apply(step(6, 9))
    assert index.events() == tuple(chain.events)
    assert index.standing().tip == (9, "0xa009")
    index.check()


def forked(start: int, end: int, unwound_to: int | None = None) -> IndexStep:
    """A step on another fork, with an event of its own in each block."""
    chain = Chain()
    for block in range(start + 1, end + 1):
        status(chain, block, "model-1", 1, 6, "c")
    step = chain.step(start, end, unwound_to, "c")
    return replace(step, standing=replace(step.standing, final=-1))


@pytest.mark.parametrize(
    "step",
    [
        forked(3, 6),
        forked(3, 12),
        forked(9, 11),
        replace(forked(6, 12, unwound_to=6), after=(8, "0xc008")),
        replace(life().step(11, 12), after=(11, block_hash(11))),
        replace(life().step(8, 12), standing=Standing(((12, "0xc012"),), 12, 5, 0)),
        replace(life().step(5, 9), events=()),
    ],
    ids=["behind", "across", "at the tip", "after a reorganisation", "beyond", "not final", "without its events"],
)
def test_a_follower_that_may_be_on_another_fork_is_told_to_load_again(filled: SqlIndex, step: IndexStep) -> None:
    before = (filled.digest(), filled.standing())
    with pytest.raises(BusyError) as caught:
        filled.apply(step)
    assert caught.value.code == "index-moved"
    assert (filled.digest(), filled.standing()) == before


def test_a_follower_whose_index_was_lost_is_told_to_load_again(index: SqlIndex) -> None:
    with pytest.raises(BusyError) as caught:
        index.apply(life().step(5, 9))
    assert caught.value.code == "index-moved"


def test_a_step_with_a_bad_event_is_refused_whole(index: SqlIndex) -> None:
    good = life().step(-1, 2)
    index.apply(good)
    digest = index.digest()
    chain = life()
    chain.add(3, "StatusChanged", version=b"short", from_=1, to=2, actor="0xA", reason=bytes(32))
    with pytest.raises(StorageError) as caught:
        index.apply(chain.step(2, 5))
    assert caught.value.code == "index-event"
    assert index.digest() == digest
    assert index.standing() == good.standing


def test_an_event_in_a_place_that_is_taken_is_refused_whole(index: SqlIndex) -> None:
    step = life().step(-1, 2)
    with pytest.raises(StorageError) as caught:
        index.apply(replace(step, events=(*step.events, step.events[0])))
    assert caught.value.code == "index-duplicate"
    assert index.events() == ()
    assert index.standing() == Standing()


def test_many_followers_at_once_agree(index_url: str) -> None:
    SqlIndex(index_url).close()
    moved: list[str] = []
    failed: list[MooringError] = []

    def follow(steps: tuple[int, ...]) -> None:
        mine = SqlIndex(index_url)
        chain, start = life(), -1
        try:
            for end in steps:
                mine.apply(chain.step(start, end))
                start = end
        except BusyError as error:
            moved.append(error.code)
        except MooringError as error:
            failed.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=follow, args=(steps,)) for steps in ((2, 5, 9), (1, 4, 6, 9), (3, 7, 9))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index = SqlIndex(index_url)
    assert failed == []
    assert index.events() == tuple(life().events)
    index.check()
    index.close()


# the whole


def test_a_rebuilt_index_has_the_same_digest_in_whatever_steps_it_was_filled(index_url: str) -> None:
    index = SqlIndex(index_url)
    fill(index)
    digest = index.digest()
    index.close()
    again = SqlIndex.rebuilt(index_url)
    assert again.events() == ()
    assert again.digest() != digest
    fill(again, steps=(1, 3, 4, 8, 9))
    assert again.digest() == digest
    again.clear()
    assert again.standing() == Standing()
    fill(again, steps=(9,))
    assert again.digest() == digest
    again.close()


@pytest.mark.postgres
def test_sqlite_and_postgresql_agree_on_the_digest(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    digests = set()
    for url in (f"sqlite:///{tmp_path / 'one.sqlite'}", postgres_url(request)):
        index = SqlIndex.rebuilt(url)
        fill(index)
        origins = ["a", "B", "b", "é", "z", "Z", "_", "~"]
        index.add_attestations([attestation(0, origin=origin) for origin in origins])
        digests.add(index.digest())
        index.close()
    assert len(digests) == 1


def postgres_url(request: pytest.FixtureRequest) -> str:
    port = request.getfixturevalue("postgres")
    return f"postgresql://mooring:correct-horse@127.0.0.1:{port}/postgres"


CHANGES = {
    "an attestation": "UPDATE attestation SET subject = 'forged' WHERE \"index\" = 3",
    "an attestation's time": "UPDATE attestation SET time = '2020-01-01T00:00:00Z' WHERE \"index\" = 3",
    "an event": "UPDATE event SET reference = '0xforged' WHERE block = 4 AND position = 0",
    "an event's arguments": "UPDATE event SET args = replace(args, 'org-', 'orc-') WHERE block = 4",
    "a status": "UPDATE status SET after = 3 WHERE block = 4",
    "an anchor": "UPDATE anchor SET size = size + 1 WHERE block = 7",
    "a key": "UPDATE signer SET revoked_from = NULL WHERE block = 8",
    "a row that is gone": "DELETE FROM approval WHERE block = 4 AND position = 1",
    "a row too many": "INSERT INTO status SELECT 9, position, version, before, after, actor, reason, mark FROM status",
    "no standing": "DELETE FROM standing",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_row_that_was_changed_is_found_and_the_remedy_is_to_rebuild(
    filled: SqlIndex, index_url: str, change: str
) -> None:
    filled.check()
    with filled._engine.begin() as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(CorruptError) as caught:  # noqa: PT012
        filled.check()
        filled.standing()
    assert caught.value.code == "index-corrupt"
    assert "rebuild-index" in caught.value.hint


def test_a_writer_refuses_an_index_that_has_lost_its_standing(filled: SqlIndex) -> None:
    with filled._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM standing")
    for write in (lambda: filled.apply(life().step(9, 9)), lambda: filled.add_attestations([attestation(9)])):
        with pytest.raises(CorruptError):
            write()


def test_a_changed_row_is_refused_by_whoever_reads_it(filled: SqlIndex) -> None:
    with filled._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE status SET after = 3 WHERE block = 4")
        connection.exec_driver_sql("UPDATE attestation SET keyid = 'forged' WHERE \"index\" = 3")
    reads: list[Callable[[], object]] = [
        lambda: filled.history(hexed("model-1")),
        lambda: filled.attestation(attestation(3).payload_digest),
        filled.attestations,
        filled.digest,
        lambda: filled.add_attestations([attestation(3)]),
    ]
    for read in reads:
        with pytest.raises(CorruptError) as caught:
            read()
        assert caught.value.code == "index-corrupt"
    assert len(filled.assets()) == 2


@pytest.mark.parametrize("trail", ["not json", "[[1]]", "3", "[[null, 2]]"])
def test_a_trail_that_cannot_be_read_is_corrupt(filled: SqlIndex, trail: str) -> None:
    with filled._engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE standing SET trail = '{trail}'")
    with pytest.raises(CorruptError):
        filled.standing()


def test_an_index_of_another_format_is_refused_and_can_be_rebuilt(filled: SqlIndex, index_url: str) -> None:
    with filled._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE standing SET format = 99")
    with pytest.raises(StorageError, match="format 99") as caught:
        SqlIndex(index_url)
    assert caught.value.code == "index-format"
    filled.close()
    again = SqlIndex.rebuilt(index_url)
    assert again.attestations() == ()
    again.close()


def test_a_lost_table_is_corrupt(filled: SqlIndex) -> None:
    with filled._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE status")
    with pytest.raises(CorruptError, match="lost a table"):
        filled.history(hexed("model-1"))


# SQLite alone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def test_a_lost_file_is_an_empty_index(path: Path) -> None:
    index = SqlIndex(f"sqlite:///{path}")
    fill(index)
    digest = index.digest()
    index.close()
    for file in path.parent.iterdir():
        file.unlink()
    index = SqlIndex(f"sqlite:///{path}")
    assert index.standing() == Standing()
    fill(index)
    assert index.digest() == digest
    index.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE approval SET org = x'ff00' WHERE block = 4",
        "UPDATE approval SET org = CAST(x'ff00' AS TEXT) WHERE block = 4",
        "UPDATE signer SET not_before = 'soon' WHERE block = 7",
    ],
)
def test_a_value_of_another_type_is_corrupt(path: Path, change: str) -> None:
    index = SqlIndex(f"sqlite:///{path}")
    fill(index)
    with sqlite3.connect(path) as db:
        db.execute(change)
    with pytest.raises(CorruptError):
        index.check()
    index.close()


@pytest.mark.parametrize("damage", ["header", "middle", "truncated", "text"])
def test_a_damaged_file_is_corrupt_and_can_be_rebuilt(path: Path, damage: str) -> None:
    index = SqlIndex(f"sqlite:///{path}")
    fill(index)
    index.add_attestations([attestation(number) for number in range(5, 500)])
    index.close()
    data = bytearray(path.read_bytes())
    if damage == "header":
        data[:100] = bytes(100)
    elif damage == "middle":
        data[4096:-4096] = os.urandom(len(data) - 8192)
    elif damage == "truncated":
        del data[len(data) // 2 :]
    else:
        data = bytearray(b"once upon a time\n" * 1000)
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptError) as caught:
        SqlIndex(f"sqlite:///{path}").check()
    assert caught.value.code == "index-corrupt"
    again = SqlIndex.rebuilt(f"sqlite:///{path}")
    fill(again)
    again.check()
    again.close()


def test_one_flipped_byte_anywhere_that_matters_is_found(path: Path) -> None:
    """Every cell holds its row's mark, so a flip is found unless it hits space that holds nothing."""
    index = SqlIndex(f"sqlite:///{path}")
    fill(index)
    expected = index.digest()
    index.close()
    clean = path.read_bytes()
    chance = random.Random(7)
    found = harmless = 0
    for _ in range(150):
        where = chance.randrange(len(clean))
        damaged = bytearray(clean)
        damaged[where] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            index = SqlIndex(f"sqlite:///{path}")
            index.check()
            assert index.digest() == expected
            harmless += 1
            index.close()
        except StorageError:
            found += 1
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    assert found > 5
    assert found + harmless == 150


def test_a_killed_writer_leaves_whole_steps(path: Path) -> None:
    script = f"""
        import os, signal, threading, time
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from mooring.storage.index import EventRow, IndexStep, Standing
        from mooring.storage.index_sql import SqlIndex
        index = SqlIndex("sqlite:///{path}")
        threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        after = None
        for block in range(10**6):
            events = tuple(EventRow("C", "E", {{"n": n}}, block, "h", n, "r", 0) for n in range(5))
            standing = Standing(((block, "h"),), block, block, 0)
            index.apply(IndexStep(after, None, events, standing))
            after = (block, "h")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    index = SqlIndex(f"sqlite:///{path}")
    index.check()
    tip = index.standing().tip
    assert tip is not None
    assert [(event.block, event.position) for event in index.events()] == [
        (block, position) for block in range(tip[0] + 1) for position in range(5)
    ]
    index.close()


def test_a_writer_that_does_not_end_is_an_error_and_not_a_hang(path: Path) -> None:
    index = SqlIndex(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    @sa.event.listens_for(index._engine, "checkout")
    def impatient(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout = 50")

    with pytest.raises(BusyError) as caught:
        index.add_attestations([attestation(0)])
    assert caught.value.code == "index-busy"
    assert index.attestations() == ()  # readers go on meanwhile
    other.execute("ROLLBACK")
    other.close()
    index.add_attestations([attestation(0)])
    index.close()


def test_a_full_disk_is_named_and_no_part_of_a_step_is_kept(small_disk: Path) -> None:
    index = SqlIndex(f"sqlite:///{small_disk / 'index.sqlite'}")
    fill(index)
    digest = index.digest()
    with pytest.raises(StorageError) as caught:
        index.add_attestations([attestation(number) for number in range(5, 20_000)])
    assert caught.value.code == "disk-full"
    assert index.digest() == digest
    index.close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        SqlIndex(f"sqlite:///{tmp_path / 'nowhere' / 'index.sqlite'}")
    assert caught.value.code == "path-vanished"


def test_a_folder_that_vanishes_under_an_open_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    index = SqlIndex(f"sqlite:///{tmp_path / 'inner' / 'index.sqlite'}")
    index.add_attestations([attestation(0)])
    shutil.rmtree(tmp_path / "inner")
    for use in (index.attestations, lambda: index.add_attestations([attestation(1)])):
        with pytest.raises(StorageError) as caught:
            use()
        assert caught.value.code == "path-vanished"
    assert not (tmp_path / "inner").exists()
    index.close()


def test_an_index_that_another_process_rebuilt_is_opened_anew(path: Path) -> None:
    index = SqlIndex(f"sqlite:///{path}")
    fill(index)
    SqlIndex.rebuilt(f"sqlite:///{path}").close()
    assert index.attestations() == ()
    with pytest.raises(BusyError) as caught:
        index.apply(life().step(9, 10))
    assert caught.value.code == "index-moved"
    fill(index)
    other = SqlIndex(f"sqlite:///{path}")
    assert other.digest() == index.digest()
    other.close()
    index.close()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:", "postgresql://h"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SqlIndex(url)
    assert caught.value.code == "index-url"


def test_many_processes_that_open_a_new_index_at_once_all_can(index_url: str) -> None:
    script = "import sys; from mooring.storage.index_sql import SqlIndex; print(SqlIndex(sys.argv[1]).attested('x'))"
    started = [
        subprocess.Popen([sys.executable, "-c", script, index_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [process.communicate() for process in started] == [(b"0\n", b"")] * 4


# PostgreSQL alone


@pytest.mark.postgres
def test_a_wrong_password_and_a_dead_server_are_named_and_the_password_is_not_shown(postgres: int) -> None:
    for url in (
        f"postgresql://mooring:wrong-horse@127.0.0.1:{postgres}/postgres",
        f"postgresql://mooring:wrong-horse@127.0.0.1:{postgres}/nowhere",
        "postgresql://mooring:wrong-horse@127.0.0.1:9/postgres",
    ):
        with pytest.raises(StorageError) as caught:
            SqlIndex(url)
        assert caught.value.code == "index-unreachable"
        assert "wrong-horse" not in caught.value.message + caught.value.hint


@pytest.mark.postgres
def test_an_index_out_of_reach_cannot_be_rebuilt(postgres: int) -> None:
    with pytest.raises(StorageError) as caught:
        SqlIndex.rebuilt(f"postgresql://mooring:wrong-horse@127.0.0.1:{postgres}/postgres")
    assert caught.value.code == "index-unreachable"


@pytest.mark.postgres
def test_a_refusal_of_the_server_is_told_with_its_state(request: pytest.FixtureRequest) -> None:
    index = SqlIndex.rebuilt(postgres_url(request))
    with index._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE attestation ALTER COLUMN subject TYPE varchar(3)")
    with pytest.raises(StorageError, match="value too long"):
        index.add_attestations([attestation(0)])
    index.close()
    SqlIndex.rebuilt(postgres_url(request)).close()


@pytest.mark.postgres
def test_the_password_is_not_in_its_repr(request: pytest.FixtureRequest) -> None:
    index = SqlIndex(postgres_url(request))
    assert "correct-horse" not in repr(index)
    index.close()


def test_without_pg8000_the_error_names_the_extra() -> None:
    script = """
        import sys
        sys.modules["pg8000"] = None
        from mooring.errors import ConfigError
        from mooring.storage.index_sql import SqlIndex
        try:
            SqlIndex("postgresql://user:password@127.0.0.1/index")
        except ConfigError as error:
            print(error.code, error.hint)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "extra-missing pip install 'mooring[postgres]'\n"


# how quick


@pytest.mark.slow
def test_twenty_thousand_attestations_are_added_and_searched_quickly(index: SqlIndex) -> None:
    rows = [attestation(number, subject=f"model-{number % 100}@1") for number in range(20_000)]
    start = time.perf_counter()
    for at in range(0, 20_000, 1000):
        index.add_attestations(rows[at : at + 1000])
    added = time.perf_counter()
    assert len(index.attestations(subject="model-7@1")) == 200
    searched = time.perf_counter()
    print(f"added in {added - start:.2f} s, searched in {(searched - added) * 1000:.1f} ms")
    assert added - start < 60  # some 1 s in SQLite and 5 s in PostgreSQL on an idle core
    assert searched - added < 2  # some 3 ms

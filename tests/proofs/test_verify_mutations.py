"""Thousands of seeded changes to a real bundle: none leaves its claims as they were, and none ends the verifier.

Signatures are checked for real; what was checked once (same key, signature and message) is remembered between reports.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from tests.proofs.scene import NOW, Happening, Story, answer, life

from mooring.errors import ProofError
from mooring.proofs import note
from mooring.proofs.bundle import MEDIA_TYPE, Bundle
from mooring.proofs.keys import PublicKey
from mooring.proofs.report import Outcome, Report
from mooring.proofs.trust import Trust
from mooring.proofs.verify import verify, verify_bytes

SLOWEST_S = 5.0
"""CPU time that no report may take; a tenth of a second is usual."""

DIGITS = [bytes([digit]) for digit in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"]
Place = tuple[str | int, ...]


def small(*, tlog: bool) -> Story:
    """The whole story in three blocks, so that a report takes milliseconds."""
    squeezed = [Happening(2, item.name, item.args, place + (item.block > 9)) for place, item in enumerate(life())]
    squeezed[4] = replace(squeezed[4], transaction=squeezed[3].transaction)
    two = ("auditor", "lab")
    answers = [answer(index) for index in range(2)]
    return Story(
        tlog=tlog,
        happenings=squeezed,
        answers=answers,
        shown=(1,),
        openings=(1,),
        anchor_block=3,
        observers=two,
        witnesses=two,
    )


STORIES = {"evm": small(tlog=False), "tlog": small(tlog=True)}
KINDS = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check no signature twice: what a bundle's unchanged parts hold is the same in every report."""
    for owner, name in ((PublicKey, "verify"), (PublicKey, "verify_digest"), (note, "_verify")):
        monkeypatch.setattr(owner, name, remembering(getattr(owner, name)))


def remembering(check: Callable[..., None]) -> Callable[..., None]:
    known: dict[tuple[Any, ...], ProofError | None] = {}

    def checked(*args: Any) -> None:
        if args not in known:
            try:
                known[args] = check(*args)
            except ProofError as error:
                known[args] = error
        error = known[args]
        if error is not None:
            raise error

    return checked


def places(value: Any, where: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every field of a bundle that holds no others, with the way to it."""
    if is_dataclass(value):
        for field in fields(value):
            yield from places(getattr(value, field.name), (*where, field.name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from places(item, (*where, index))
    else:
        yield where, value


def put(value: Any, where: Place, new: Any) -> Any:
    """The bundle with another value in one place."""
    if not where:
        return new
    step, rest = where[0], where[1:]
    if isinstance(step, int):
        return (*value[:step], put(value[step], rest, new), *value[step + 1 :])
    return replace(value, **{step: put(getattr(value, step), rest, new)})


def another(value: Any, chance: random.Random) -> Any:
    """A value of the same type that is nearly this one."""
    if isinstance(value, int):
        return chance.choice([value + 1, value - 1, -value - 1, value ^ 1 << chance.randrange(40), 2**53 - 1])
    if isinstance(value, str):
        place = chance.randrange(len(value))
        near = (
            value[:place]
            + chance.choice([value[place].swapcase(), chr(ord(value[place]) ^ 1), "", "x"])
            + value[place + 1 :]
        )
        return chance.choice([near, value + " ", near])
    return damaged(value, chance)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes with a bit flipped, or a byte put, taken, swapped or doubled; never the same bytes."""
    place = chance.randrange(len(data))
    byte = data[place : place + 1]
    flipped = bytes([byte[0] ^ 1 << chance.randrange(8)])
    put_ = chance.choice([flipped, flipped, flipped, bytes([chance.randrange(256)]), b"", byte + byte, flipped + byte])
    changed = data[:place] + put_ + data[place + 1 :]
    return changed if changed != data else damaged(data, chance)


def misspelt(data: bytes, chance: random.Random) -> bytes:
    """A bundle's file with another base64 digit somewhere, so that it most often still parses."""
    place = chance.randrange(len(data))
    changed = data[:place] + chance.choice(DIGITS) + data[place + 1 :]
    return changed if changed != data else misspelt(data, chance)


def timed(make: Callable[[], Report]) -> Report:
    begun = time.process_time()
    report = make()
    assert time.process_time() - begun < SLOWEST_S
    return report


def change_bytes(story: Story, count: int, seed: int) -> Counter[str]:
    """Damage the bundle's file `count` times; return what became of it."""
    trust, bundle, chance = story.trust(), story.bundle(), random.Random(seed)
    data = bundle.to_bytes()
    original = verify(bundle, trust, now_s=NOW)
    assert original.outcome is Outcome.PROVED
    seen: Counter[str] = Counter()
    for number in range(count):
        mutated = (damaged if number % 2 else misspelt)(data, chance)
        report = timed(lambda data=mutated: verify_bytes(data, trust, now_s=NOW))  # type: ignore[misc]  # bound now
        if report.claims == original.claims:
            assert Bundle.from_bytes(mutated) == bundle, mutated  # the same values, written otherwise
        seen[_kind(report)] += 1
    return seen


def change_fields(story: Story, count: int, seed: int) -> Counter[str]:
    """Change each decoded field in turn, until `count` changes were made; return what became of them."""
    trust, bundle, chance = story.trust(), story.bundle(), random.Random(seed)
    original = verify(bundle, trust, now_s=NOW)
    every = [(where, value) for where, value in places(bundle) if where != ("media_type",)]
    seen: Counter[str] = Counter()
    while seen.total() < count:
        for where, value in every:
            new = another(value, chance)
            if new == value:
                continue
            changed = put(bundle, where, new)
            report = timed(lambda bundle=changed: verify(bundle, trust, now_s=NOW))  # type: ignore[misc]  # bound now
            assert report.claims != original.claims, (where, new)
            seen[_kind(report)] += 1
    return seen


def _kind(report: Report) -> str:
    refuted = report.refuted()
    return refuted[0].code if refuted else str(report.outcome)


@KINDS
def test_no_damage_to_the_file_goes_unnoticed(story: Story) -> None:
    seen = change_bytes(story, 1600, seed=1)
    assert seen.total() == 1600
    assert seen[Outcome.PROVED] < 20  # a cosignature under another name is nobody's, and a quorum is left: see below


@KINDS
def test_no_change_of_a_field_goes_unnoticed(story: Story) -> None:
    seen = change_fields(story, 800, seed=2)
    assert seen.total() >= 800
    assert len(seen) >= 10, seen


@pytest.mark.slow
@pytest.mark.parametrize("tlog", [False, True], ids=["evm", "tlog"])
def test_no_damage_to_a_whole_deployments_bundle_goes_unnoticed(tlog: bool) -> None:
    story = Story(tlog=tlog)
    assert change_bytes(story, 6000, seed=3).total() == 6000
    assert change_fields(story, 3000, seed=4).total() >= 3000


@KINDS
def test_no_field_can_be_exchanged_with_another_of_its_kind(story: Story) -> None:
    """Paths, salts, headers, proofs, indexes: each put where another one belongs."""
    trust, bundle = story.trust(), story.bundle()
    original = verify(bundle, trust, now_s=NOW)
    by_name: dict[tuple[str, str], list[tuple[Place, Any]]] = {}
    for where, value in places(bundle):
        names = [step for step in where if isinstance(step, str)]
        by_name.setdefault((names[0], names[-1]), []).append((where, value))
    tried = 0
    for group in by_name.values():
        for (where, value), (_, other) in zip(group, [*group[1:], *group[:1]], strict=True):
            if other != value:
                report = verify(put(bundle, where, other), trust, now_s=NOW)
                assert report.claims != original.claims, where
                assert report.outcome is not Outcome.PROVED, where
                tried += 1
    assert tried > 30


@KINDS
def test_a_changed_trust_root_ends_nothing(story: Story) -> None:
    trust, bundle, chance = story.trust(), story.bundle(), random.Random(5)
    data, parsed = trust.to_bytes(), 0
    for _ in range(600):
        try:
            other = Trust.from_bytes(damaged(data, chance))
        except ProofError:
            continue
        timed(lambda other=other: verify(bundle, other, now_s=NOW))  # type: ignore[misc]  # bound now
        parsed += 1
    assert parsed > 5


def test_hostile_sizes_are_refused_in_linear_time() -> None:
    """The same evidence ten thousand times, an endless note, a path of a million hashes."""
    story = STORIES["evm"]
    trust, bundle = story.trust(), story.bundle()
    entry, block = bundle.entries[0], bundle.blocks[0]
    hostile = (
        replace(bundle, entries=(entry,) * 10_000),
        replace(bundle, blocks=(block,) * 3_000),
        replace(bundle, observations=bundle.observations[:1] * 3_000),
        replace(bundle, checkpoints=(b"x\n" * 5_000_000,)),
        replace(bundle, entries=(replace(entry, path=(bytes(32),) * 1_000_000),)),
        replace(bundle, blocks=(replace(block, receipt_proof=(b"\xc0" * 1_000_000,) * 4),)),
        replace(bundle, blocks=(replace(block, header=b"\xf9\xff\xff" + b"\xc0" * 65_535),)),
        replace(bundle, manifests=(bytes(50_000_000),)),
        Bundle(MEDIA_TYPE, openings=bundle.openings * 10_000),
    )
    for place, made in enumerate(hostile):
        begun = time.process_time()
        assert verify(made, trust, now_s=NOW).outcome is Outcome.REFUTED, place
        assert time.process_time() - begun < 10, place

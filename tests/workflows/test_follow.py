"""The index follows ledger and log, and one made anew from them has the same rows."""

from __future__ import annotations

import pytest
from tests.workflows.stage import MODEL

from mooring.errors import CorruptError
from mooring.ledger.follower import Follower
from mooring.wiring.indexes import temporary_index
from mooring.wiring.session import Session
from mooring.workflows import deploy
from mooring.workflows.follow import IndexSink, event_of, index_attestations, require_same, row_of_event


def test_an_index_made_anew_has_the_same_rows(active: Session) -> None:
    with temporary_index() as fresh, active.read("records") as log:
        Follower(active.deployment.ledger, IndexSink(fresh)).catch_up()
        count = index_attestations(fresh, log)
        assert (count, fresh.digest()) == (log.size, active.index_digest())
    active.check_index()


def test_a_row_more_or_less_shows(active: Session) -> None:
    with temporary_index() as fresh:
        Follower(active.deployment.ledger, IndexSink(fresh)).catch_up()
        with pytest.raises(CorruptError) as caught:
            require_same(active.index_digest(), fresh.digest())
    assert (caught.value.code, caught.value.hint) == ("index-differs", "run: mooring log rebuild-index")


def test_attestations_are_indexed_from_where_the_index_stands(active: Session) -> None:
    with temporary_index() as fresh, active.read("records") as log:
        assert index_attestations(fresh, log) == index_attestations(fresh, log) == log.size
        assert fresh.attested(log.origin) == log.size


def test_a_second_follower_goes_on_where_the_first_stood(active: Session) -> None:
    sink = IndexSink(active.deployment.index)
    cursor, events = sink.load()
    assert cursor is not None
    assert [row_of_event(event) for event in events] == list(active.deployment.index.events())
    deploy.suspend(active.deployment, active.deployment.actor("bob"), MODEL, "x")
    second = Follower(active.deployment.ledger, IndexSink(active.deployment.index))
    second.catch_up()
    assert second.state.versions == active.deployment.follow().versions


def test_events_read_back_from_their_rows_are_the_same(active: Session) -> None:
    events = active.deployment.events()
    assert [event_of(row_of_event(event)) for event in events] == list(events)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.ledger.embedded.database import ChainDatabase
from mooring.ledger.embedded.logs import LogFilter, LogRow, insert_statement, select

_ADDRESSES = [bytes([number]) * 20 for number in range(3)]
_TOPICS = [bytes([number]) * 32 for number in range(3)]


def _row(block: int, position: int, address: bytes, topics: list[bytes]) -> LogRow:
    padded = [*topics, *[None] * (4 - len(topics))]
    return (block, position, 0, bytes(32), address, *padded, b"data")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainDatabase]:
    """Forty events with none to four topics each."""
    opened = ChainDatabase(Path(tmp_path_factory.mktemp("logs")) / "chain.sqlite")
    with opened.transaction() as sql:
        for number in range(40):
            topics = [_TOPICS[(number // 3**place) % 3] for place in range(number % 5)]
            sql.execute(insert_statement(), _row(number // 4, number % 4, _ADDRESSES[number % 3], topics))
    yield opened
    opened.close()


def _matches(row: LogRow, wanted: LogFilter) -> bool:
    """The rule of eth_getLogs (execution-apis), written plainly."""
    topics = [topic for topic in row[5:9] if topic is not None]
    return (
        wanted.first <= row[0] <= wanted.last
        and (not wanted.addresses or row[4] in wanted.addresses)
        and len(topics) >= len(wanted.topics)
        and all(not choice or topic in choice for topic, choice in zip(topics, wanted.topics, strict=False))
    )


_CHOICES = st.lists(st.sampled_from(_TOPICS), max_size=2, unique=True).map(tuple)
_FILTERS = st.builds(
    LogFilter,
    st.integers(0, 10),
    st.integers(0, 10),
    st.lists(st.sampled_from(_ADDRESSES), max_size=2, unique=True).map(tuple),
    st.lists(_CHOICES, max_size=4).map(tuple),
)


@given(wanted=_FILTERS)
@settings(max_examples=200)
def test_the_index_answers_as_the_rule_of_filters_says(database: ChainDatabase, wanted: LogFilter) -> None:
    everything = select(database, LogFilter(0, 100), -1)
    assert len(everything) == 40
    assert select(database, wanted, -1) == [row for row in everything if _matches(row, wanted)]


def test_no_more_than_the_limit_is_given_from_the_start(database: ChainDatabase) -> None:
    everything = select(database, LogFilter(0, 100), -1)
    assert select(database, LogFilter(0, 100), 7) == everything[:7]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (LogFilter(0, 9, (_ADDRESSES[0],)), "log_by_address"),
        (LogFilter(0, 9, (), ((_TOPICS[0],),)), "log_by_topic"),
        (LogFilter(0, 9, (_ADDRESSES[0],), ((_TOPICS[0],),)), "log_by_both"),
        (LogFilter(9, 9), "PRIMARY KEY"),
    ],
)
def test_a_question_is_answered_from_an_index(
    database: ChainDatabase, wanted: LogFilter, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []
    rows = database.rows

    def explain(query: str, parameters: tuple[object, ...]) -> list[tuple[object, ...]]:
        plans.extend(str(row[3]) for row in rows(f"EXPLAIN QUERY PLAN {query}", parameters))
        return rows(query, parameters)

    monkeypatch.setattr(database, "rows", explain)
    select(database, wanted, 10)
    assert index in plans[0]
    assert not any(plan.startswith("SCAN") for plan in plans)

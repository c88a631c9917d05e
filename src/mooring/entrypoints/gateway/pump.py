"""The pump: collects what has arrived, runs it, model by model, and hands the results to the log.

A tick ends when no request has arrived for one turn of the event loop, so a lone request waits for nobody. Requests of
one model whose rows may be run together are run together.
"""

from __future__ import annotations

import logging
import os
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from mooring.entrypoints.gateway.ask import Ask, Draft
from mooring.entrypoints.gateway.engine import Engine
from mooring.entrypoints.gateway.problem import Problem, problem_of
from mooring.entrypoints.gateway.settings import GatewaySettings
from mooring.entrypoints.gateway.tensors import encode_response
from mooring.errors import MooringError, RecordError
from mooring.records.receipt import SALT_BYTES

__all__ = ["Pump"]

_LOG = logging.getLogger("mooring.gateway")

Arrays: TypeAlias = "Sequence[np.ndarray[Any, np.dtype[Any]]]"  # Any: shape and element type are the model's


class _Lane:
    """The queue of one model that is too slow for the event loop's thread."""

    __slots__ = ("busy", "waiting")

    def __init__(self) -> None:
        self.busy: list[Ask] = []
        self.waiting: deque[Ask] = deque()


class Pump:
    """Runs granted requests; `deliver` takes what is ready for the log, `check` drops what may no longer run."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        settings: GatewaySettings,
        deliver: Callable[[Sequence[Draft]], None],
        check: Callable[[list[Ask]], list[Ask]],
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._deliver = deliver
        self._check = check
        self._arrived: list[Ask] = []
        self._armed = False
        self._seen = 0
        self._begun = 0.0
        self._lanes: dict[Engine, _Lane] = {}
        self._threads = ThreadPoolExecutor(2, "mooring-run")

    def put(self, ask: Ask) -> None:
        """Take a granted request."""
        self._arrived.append(ask)
        if not self._armed:
            self._armed = True
            self._seen = 0
            self._begun = ask.begun
            self._loop.call_soon(self._tick)

    def waiting(self) -> list[Ask]:
        """Return what has not been run yet."""
        lanes = [ask for lane in self._lanes.values() for ask in (*lane.busy, *lane.waiting)]
        return [*self._arrived, *lanes]

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _tick(self) -> None:
        count = len(self._arrived)
        if self._seen < count < self._settings.max_batch and perf_counter() - self._begun < self._settings.max_wait_s:
            self._seen = count
            self._loop.call_soon(self._tick)
            return
        self._armed = False
        arrived, self._arrived = self._arrived, []
        drafts: list[Draft] = []
        for asks in _groups(self._check(arrived)):
            engine = asks[0].grant.engine
            if engine.cost_s > self._settings.inline_run_s:
                self._queue(engine, asks)
                continue
            for batch in self._batches(engine, asks):
                drafts += self._run(engine, batch)
        if drafts:
            self._deliver(drafts)

    def _batches(self, engine: Engine, asks: Sequence[Ask]) -> list[list[Ask]]:
        """Cut a group into runs of at most `max_batch` rows; one request is never cut."""
        if not (self._settings.batching and engine.batchable):
            return [[ask] for ask in asks]
        batches: list[list[Ask]] = [[]]
        rows = 0
        for ask in asks:
            rows += ask.infer.rows
            if batches[-1] and (rows > self._settings.max_batch or ask.alone or batches[-1][0].alone):
                batches.append([])
                rows = ask.infer.rows
            batches[-1].append(ask)
        return batches

    def _run(self, engine: Engine, asks: list[Ask]) -> list[Ask]:
        """Run a batch here and now; return what is ready for the log. What failed is answered."""
        try:
            arrays = self._arrays(engine, asks)
            begun = perf_counter()
            found = engine.run(arrays)
            asks[0].grant.meter.predict.observe(perf_counter() - begun)
            return self._finish(engine, asks, found)
        except Exception as error:  # noqa: BLE001 (whatever it is, each request must be answered)
            return [done for ask in self._retry(asks, error) for done in self._run(engine, [ask])]

    def _retry(self, asks: list[Ask], error: BaseException) -> list[Ask]:
        """One request must not fail the others of its batch: return them to be run alone. Alone, it has failed."""
        if len(asks) > 1:
            for ask in asks:
                ask.alone = True
            return asks
        if isinstance(error, MooringError):
            asks[0].failed(problem_of(error, "internal"))
        else:
            _LOG.error("a request failed in a way that was not foreseen", exc_info=error)
            asks[0].failed(
                Problem("internal", "the request failed in a way that was not foreseen", "see the gateway's log")
            )
        return []

    def _arrays(self, engine: Engine, asks: Sequence[Ask]) -> Arrays:
        arrays = engine.arrays([ask.infer for ask in asks])
        if asks[0].grant.finite and not engine.finite(arrays):
            raise RecordError(
                "an input holds a number beyond the range of its datatype",
                code="tensor-value",
                hint="send finite numbers that the datatype can hold",
            )
        return arrays

    def _finish(self, engine: Engine, asks: list[Ask], found: Arrays) -> list[Ask]:
        """Write the response bodies."""
        count = len(asks)
        salts = os.urandom(SALT_BYTES * count)
        tensors = engine.split(found, [ask.infer for ask in asks])
        for position, (ask, outputs) in enumerate(zip(asks, tensors, strict=True)):
            ask.batch = count
            ask.salt = salts[position * SALT_BYTES : (position + 1) * SALT_BYTES]
            ask.response = encode_response(ask.grant.model, ask.grant.version, ask.infer.ident, outputs)
        return asks

    def _queue(self, engine: Engine, asks: Sequence[Ask]) -> None:
        lane = self._lanes.setdefault(engine, _Lane())
        lane.waiting.extend(asks)
        if not lane.busy:
            self._advance(engine, lane)

    def _advance(self, engine: Engine, lane: _Lane) -> None:
        """Run the next batch of a slow model in a thread; what arrives meanwhile shares the one after it."""
        lane.busy = self._next(engine, lane)
        if not lane.busy:
            del self._lanes[engine]
            return
        future = self._loop.run_in_executor(self._threads, self._run_slowly, engine, lane.busy)
        future.add_done_callback(partial(self._ran, engine, lane, perf_counter()))

    def _next(self, engine: Engine, lane: _Lane) -> list[Ask]:
        asks = self._check([ask for ask in lane.waiting if ask.open])
        groups = _groups(asks)
        chosen = self._batches(engine, groups[0])[0] if groups else []
        taken = set(map(id, chosen))
        lane.waiting = deque(ask for ask in asks if id(ask) not in taken)
        return chosen

    def _run_slowly(self, engine: Engine, asks: list[Ask]) -> Arrays:
        return engine.run(self._arrays(engine, asks))

    def _ran(self, engine: Engine, lane: _Lane, begun: float, future: Future[Arrays]) -> None:
        asks, lane.busy = lane.busy, []
        asks[0].grant.meter.predict.observe(perf_counter() - begun)
        error = future.exception()
        if error is None:
            self._deliver(self._finish(engine, asks, future.result()))
        else:
            lane.waiting.extendleft(reversed(self._retry(asks, error)))
        self._advance(engine, lane)


def _groups(asks: Sequence[Ask]) -> list[list[Ask]]:
    """Group requests that may be run together: the same engine, and the same shapes but for the rows."""
    groups: dict[tuple[Engine, tuple[tuple[int, ...], ...]], list[Ask]] = {}
    for ask in asks:
        key = (ask.grant.engine, ask.infer.rests)
        group = groups.get(key)
        if group is None:
            groups[key] = [ask]
        else:
            group.append(ask)
    return list(groups.values())

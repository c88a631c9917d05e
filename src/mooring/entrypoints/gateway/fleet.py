"""The fleet: models that are loaded, being loaded, or could not be."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TypeAlias

from mooring.entrypoints.gateway.engine import Engine
from mooring.entrypoints.gateway.parts import ModelSource
from mooring.entrypoints.gateway.problem import Problem
from mooring.entrypoints.gateway.settings import GatewaySettings
from mooring.errors import MooringError
from mooring.records.digest import Digest

__all__ = ["Fleet"]

Key: TypeAlias = tuple[str, str, Digest]


class Fleet:
    """Loads each version once, in a thread, from bytes that the source has checked against the manifest."""

    def __init__(self, source: ModelSource, settings: GatewaySettings, loop: AbstractEventLoop) -> None:
        self._source = source
        self._settings = settings
        self._loop = loop
        self._engines: dict[Key, Engine] = {}
        self._loading: dict[Key, list[Callable[[], None]]] = {}
        self._failed: dict[Key, tuple[float, Problem]] = {}
        self._threads = ThreadPoolExecutor(1, "mooring-load")

    def get(self, key: Key) -> Engine | Problem | None:
        """Return the engine, or why there is none, or None while it loads (`wait` tells when)."""
        engine = self._engines.pop(key, None)
        if engine is not None:
            self._engines[key] = engine  # the most recently granted stands last
            return engine
        until, problem = self._failed.get(key, (0.0, None))
        if problem is not None and perf_counter() < until:
            return problem
        if key not in self._loading:
            self._load(key)
        return None

    def wait(self, key: Key, ready: Callable[[], None]) -> None:
        """Call `ready` once the load that is under way has ended, well or not."""
        self._loading[key].append(ready)

    def peek(self, key: Key) -> Engine | None:
        """Return the engine if it is loaded."""
        return self._engines.get(key)

    def drop(self, model: str, version: str) -> None:
        """Forget a version that may not serve."""
        for key in [key for key in self._engines if key[:2] == (model, version)]:
            del self._engines[key]

    def close(self) -> None:
        """End the loading thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _load(self, key: Key) -> None:
        self._loading[key] = []
        future = self._loop.run_in_executor(self._threads, self._make, key)
        future.add_done_callback(partial(self._loaded, key))

    def _make(self, key: Key) -> Engine | Problem:
        """In the thread: read, check, open."""
        model, version, _ = key
        try:
            return Engine(self._source.load(model, version), max_rows=self._settings.max_rows)
        except MooringError as error:
            return Problem("model-load", f"{model} {version} cannot be served: {error.message}", error.hint)

    def _loaded(self, key: Key, future: Future[Engine | Problem]) -> None:
        waiting = self._loading.pop(key)
        if future.cancelled():
            return
        result = future.exception() or future.result()
        if isinstance(result, Engine):
            self._engines[key] = result
            self._failed.pop(key, None)
            while len(self._engines) > self._settings.max_models:
                del self._engines[next(iter(self._engines))]
        else:
            problem = (
                result if isinstance(result, Problem) else Problem("model-load", f"loading failed: {result!r:.200}")
            )
            self._failed[key] = (perf_counter() + self._settings.reload_after_s, problem)
        for ready in waiting:
            ready()

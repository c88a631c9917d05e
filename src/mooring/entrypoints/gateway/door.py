"""The door: takes each request in or turns it away, and sees to it that each is answered in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter

from opentelemetry import propagate
from opentelemetry.trace import Span

from mooring.entrypoints.gateway.ask import Ask, Asking, Draft, Grant, Target, Traffic, Waiting
from mooring.entrypoints.gateway.engine import Engine
from mooring.entrypoints.gateway.fleet import Fleet, Key
from mooring.entrypoints.gateway.judge import Judge, Loading
from mooring.entrypoints.gateway.meter import Meter
from mooring.entrypoints.gateway.parts import ACTIVE, GatewayParts
from mooring.entrypoints.gateway.problem import Answer, Problem, problem_of
from mooring.entrypoints.gateway.pump import Pump
from mooring.entrypoints.gateway.refusals import Refusals
from mooring.entrypoints.gateway.sequencer import Sequencer
from mooring.entrypoints.gateway.settings import GatewaySettings
from mooring.errors import ConfigError, MooringError, NotFoundError

__all__ = ["Door"]

_SWEEP_S = 0.25
_DRAIN_STEP_S = 0.01
_NO_TRACE: Mapping[str, str] = {}
_LATE = Problem(
    "timeout", "the answer took too long", "try again; a receipt of this attempt may be in the log all the same"
)
_FULL = Problem("overload", "too many requests are in flight", "try again after the time in Retry-After")
_DRAINING = Problem("draining", "this gateway is shutting down", "try again: another one answers")


class _Parked(Asking):
    """A request whose model is being loaded."""

    __slots__ = ("body", "target")

    def __init__(
        self, target: Target, body: bytes, answer: Callable[[Answer], None], traffic: Traffic, span: Span | None
    ) -> None:
        super().__init__(answer, traffic, span)
        self.target = target
        self.body = body


class Door:
    """The gateway without HTTP. Belongs to one event loop, from `open` to `drain`."""

    def __init__(self, parts: GatewayParts, settings: GatewaySettings) -> None:
        if (parts.log is None) != settings.unrecorded:
            raise ConfigError(
                "a gateway has a receipts log, or is set to be unrecorded, and not both",
                code="gateway-log",
                hint="give a log; unrecorded is for measuring only",
            )
        self.parts = parts
        self.settings = settings
        self.meter = Meter()
        self.traffic = Traffic(self.meter)
        self._draining = False
        self._parked: dict[Key, list[_Parked]] = {}
        self._state: object = object()

    def open(self) -> None:
        """Begin on the running event loop: start threads, load what is in service."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._fleet = Fleet(self.parts.source, self.settings, loop)
        self._judge = Judge(self.parts, self.settings, self._fleet, self.meter)
        self._pump = Pump(loop, self.settings, self._deliver, self._check)
        self._refusals = Refusals(self._deliver, self.traffic)
        self._sequencer: Sequencer | None = None
        if self.parts.log is not None:
            self._sequencer = Sequencer(self.parts.log, loop, self.meter, self.parts.now_ns, self.parts.reopen)
        self._gauges()
        self._sweep()

    def closed(self) -> Problem | None:
        """Return why no inference is taken at this moment, or None."""
        if self._draining:
            return _DRAINING
        if self._sequencer is not None and self._sequencer.broken is not None:
            return self._sequencer.broken
        if not self.parts.source.fresh():
            return self._stale()
        return None

    def enter(
        self,
        target: Target,
        body: bytes,
        answer: Callable[[Answer], None],
        trace: Mapping[str, str] = _NO_TRACE,
    ) -> None:
        """Take an inference request; `answer` is called once, on the event loop, now or later."""
        problem = self.closed()
        if problem is None and self.traffic.in_flight >= self.settings.max_in_flight:
            problem = _FULL
        if problem is not None:
            self._turn_away(problem, answer)
            return
        found = self._judge.judge(target)
        if isinstance(found, Problem):
            self._turn_away(found, answer)
            return
        span = self._span(target, trace)
        if isinstance(found, Grant):
            self._granted(found, body, answer, span)
        elif isinstance(found, Loading):
            self._park(found.key, _Parked(target, body, answer, self.traffic, span))
        else:
            self._refusals.take(found, answer, span)

    def model_ready(self, model: str, version: str | None) -> Problem | None:
        """Return why a version does not serve at this moment, or None; an active one is loaded if it was not."""
        versions = self.parts.source.versions(model)
        if not versions:
            return Problem("model-unknown", f"model {model!r} is not registered", "see GET /v2 and the registry")
        chosen = version or self.parts.source.current(model)
        if chosen is None:
            return Problem("no-current-version", f"model {model} has no version in service", "see its versions")
        served = self.parts.source.version(model, chosen)
        if served.status != ACTIVE:
            return Problem("not-active", f"{model} {chosen} is {served.status}", "have it activated")
        found = self._fleet.get((model, chosen, served.manifest))
        if isinstance(found, Problem):
            return found
        return Problem("model-load", f"{model} {chosen} is being loaded", "ask again") if found is None else None

    def loaded(self, model: str, version: str) -> Engine | None:
        """Return the engine of a version that is loaded and may serve."""
        served = self.parts.source.version(model, version)
        return self._fleet.peek((model, version, served.manifest)) if served.status == ACTIVE else None

    async def drain(self) -> None:
        """Take nothing more in, wait until everything is answered, and end the threads."""
        self._draining = True
        last = perf_counter() + self.settings.drain_s
        self._refusals.flush(everything=True)
        while not self._idle() and perf_counter() < last:
            await asyncio.sleep(_DRAIN_STEP_S)
        self._sweeper.cancel()
        if self._sequencer is not None:
            await self._loop.run_in_executor(None, self._sequencer.close)
        self._pump.close()
        self._fleet.close()

    def _idle(self) -> bool:
        return not self.traffic.in_flight and (self._sequencer is None or self._sequencer.idle)

    def _granted(self, grant: Grant, body: bytes, answer: Callable[[Answer], None], span: Span | None) -> None:
        try:
            infer = grant.engine.reader.read(body)
        except MooringError as error:
            grant.meter.failures += 1
            self._turn_away(problem_of(error, "request-shape"), answer, span)
            return
        self._pump.put(Ask(grant, infer, body, answer, self.traffic, span))

    def _turn_away(self, problem: Problem, answer: Callable[[Answer], None], span: Span | None = None) -> None:
        self.meter.count_refused(problem.code)
        if span is not None:
            span.set_attribute("http.response.status_code", problem.status)
            span.end()
        answer(problem.answer)

    def _deliver(self, drafts: Sequence[Draft]) -> None:
        if self._sequencer is not None:
            self._sequencer.put(drafts)
            return
        now = perf_counter()
        for draft in drafts:
            draft.logged(b"", now)

    def _check(self, asks: list[Ask]) -> list[Ask]:
        """Return what may still run; the rest is refused, or judged anew if a followed fact has changed meanwhile."""
        problem = self.closed() if not self._draining else None
        if problem is not None:
            for ask in asks:
                ask.failed(problem)
            return []
        state = self.parts.source.state_id
        return [ask for ask in asks if ask.grant.state == state or self._still(ask)]

    def _still(self, ask: Ask) -> bool:
        found = self._judge.judge(ask.grant.target)
        if isinstance(found, Grant) and found.engine is ask.grant.engine:
            ask.grant = found
            return True
        answer = ask.release()
        if answer is not None:
            self.enter(ask.grant.target, ask.body, answer)
        return False

    def _park(self, key: Key, parked: _Parked) -> None:
        waiting = self._parked.get(key)
        if waiting is None:
            waiting = self._parked[key] = []
            self._fleet.wait(key, lambda: self._unpark(key))
        waiting.append(parked)

    def _unpark(self, key: Key) -> None:
        for parked in self._parked.pop(key, ()):
            answer = parked.release()
            if answer is not None:
                self.enter(parked.target, parked.body, answer)

    def _span(self, target: Target, trace: Mapping[str, str]) -> Span | None:
        if self.parts.tracer is None:
            return None
        context = propagate.extract(trace)
        return self.parts.tracer.start_span("infer", context, attributes={"url.path": target[0].decode("latin-1")})

    def _stale(self) -> Problem:
        return Problem(
            "stale",
            f"the followed ledger state is {self.parts.source.lag_s:.1f} s old",
            "nothing is served on facts that may have changed; see the follower's log",
        )

    def _sweep(self) -> None:
        """Every quarter of a second: answer what is late, probe a log that failed, load what came into service."""
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        late = perf_counter() - self.settings.request_timeout_s
        for waiting in self._waiting():
            if waiting.begun < late:
                waiting.failed(_LATE)
        if self._sequencer is not None:
            self._sequencer.probe(self.settings.probe_interval_s)
        self._refusals.flush()
        if self._state != self.parts.source.state_id:
            self._state = self.parts.source.state_id
            self._preload()

    def _waiting(self) -> Iterator[Waiting]:
        yield from self._pump.waiting()
        for parked in self._parked.values():
            yield from parked
        if self._sequencer is not None:
            yield from self._sequencer.waiting()

    def _preload(self) -> None:
        for model in self.parts.source.models():
            try:
                self.model_ready(model, None)
            except NotFoundError:
                continue

    def _gauges(self) -> None:
        evidence = self.parts.evidence
        self.meter.gauges["gateway_requests_in_flight"] = (
            "Requests between arrival and answer",
            lambda: float(self.traffic.in_flight),
        )
        self.meter.gauges["follower_lag_seconds"] = ("Age of the followed state", lambda: self.parts.source.lag_s)
        if evidence is not None:
            self.meter.gauges["anchor_lag_seconds"] = (
                "How long the oldest log entry that no anchor covers has waited",
                evidence.anchor_lag_s,
            )

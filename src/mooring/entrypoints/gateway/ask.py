"""What is in flight: requests between arrival and answer, and what each leaves in the log."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol, TypeAlias

from opentelemetry.trace import Span

from mooring.entrypoints.gateway.engine import Engine
from mooring.entrypoints.gateway.meter import Meter, ModelMeter
from mooring.entrypoints.gateway.problem import Answer, Problem
from mooring.entrypoints.gateway.tensors import Infer
from mooring.records.receipt import commit_input, commit_output
from mooring.workflows.serve import ReceiptLine, encode_line

__all__ = ["Ask", "Asking", "Denial", "Draft", "Grant", "Target", "Traffic", "Waiting", "base64url"]

Target: TypeAlias = tuple[bytes, bytes, bytes]
"""The raw path, the Authorization header and the mooring-purpose header of a request; empty where there is none."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Traffic:
    """How many requests are in flight, and the counts of what became of the others."""

    __slots__ = ("in_flight", "meter")

    def __init__(self, meter: Meter) -> None:
        self.in_flight = 0
        self.meter = meter


class Waiting(Protocol):
    """Somebody waits for an answer since `begun` (`time.perf_counter`)."""

    begun: float

    def failed(self, problem: Problem) -> None:
        """Answer with the problem, if it is not answered yet."""
        ...


class Draft(Waiting, Protocol):
    """Something that becomes a log entry, and is answered once the entry is durable; `asks` is 1 if a client waits."""

    asks: int

    @property
    def open(self) -> bool:
        """Whether somebody still waits for the answer."""
        ...

    def line(self, index: int, time: str, origin: str) -> bytes:
        """Return the entry for this place in the log."""
        ...

    def logged(self, entry: bytes, now: float) -> None:
        """The entry is durable: answer."""
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to infer, decided once per caller, target, purpose and followed state."""

    engine: Engine
    meter: ModelMeter
    caller: str
    manifest: str
    model: str
    policy: str
    purpose: str
    version: str
    finite: bool
    state: object
    target: Target


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal that goes into the log: who, what, and which rule."""

    problem: Problem
    meter: ModelMeter
    caller: str
    model: str
    policy: str
    purpose: str
    version: str


class Asking:
    """One request in flight: answered exactly once."""

    __slots__ = ("_answer", "begun", "span", "traffic")

    asks = 1

    def __init__(self, answer: Callable[[Answer], None], traffic: Traffic, span: Span | None) -> None:
        self._answer: Callable[[Answer], None] | None = answer
        self.traffic = traffic
        self.begun = perf_counter()
        self.span = span
        traffic.in_flight += 1

    @property
    def open(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self._answer is not None

    def settle(self, answer: Answer) -> None:
        """Answer; a second answer, after a time-out, is dropped."""
        done = self.release()
        if done is None:
            return
        if self.span is not None:
            self.span.set_attribute("http.response.status_code", answer.status)
            self.span.end()
        done(answer)

    def release(self) -> Callable[[Answer], None] | None:
        """Give up the request unanswered, for another to answer it."""
        done, self._answer = self._answer, None
        if done is not None:
            self.traffic.in_flight -= 1
        return done

    def failed(self, problem: Problem) -> None:
        """Answer with a problem."""
        if self._answer is not None:
            self.traffic.meter.count_refused(problem.code)
            self.settle(problem.answer)


class Ask(Asking):
    """One granted inference."""

    __slots__ = ("alone", "batch", "body", "grant", "infer", "response", "salt")

    def __init__(
        self,
        grant: Grant,
        infer: Infer,
        body: bytes,
        answer: Callable[[Answer], None],
        traffic: Traffic,
        span: Span | None,
    ) -> None:
        # Asking.__init__ by hand: one call less on the way of every request.
        self._answer = answer
        self.traffic = traffic
        self.begun = perf_counter()
        self.span = span
        traffic.in_flight += 1
        self.grant = grant
        self.infer = infer
        self.body = body
        self.alone = False
        self.batch = 1
        self.response = b""
        self.salt = b""

    def line(self, index: int, time: str, origin: str) -> bytes:
        """Return the receipt for this place in the log."""
        grant = self.grant
        return encode_line(
            ReceiptLine(
                self.batch,
                grant.caller,
                index,
                commit_input(self.salt, self.body).hex(),
                grant.manifest,
                grant.model,
                origin,
                commit_output(self.salt, self.response).hex(),
                grant.policy,
                grant.purpose,
                time,
                grant.version,
            )
        )

    def logged(self, entry: bytes, now: float) -> None:
        """Answer with the receipt and the salt that opens it; an empty entry means an unrecorded gateway."""
        if self._answer is None:
            return
        self.grant.meter.answered(now - self.begun)
        if entry:
            self.settle(Answer(200, self.response, base64url(entry), base64url(self.salt)))
        else:
            self.settle(Answer(200, self.response))

    def failed(self, problem: Problem) -> None:
        """Answer with a problem, and count it for the model."""
        if self._answer is not None:
            self.grant.meter.failures += 1
        super().failed(problem)


def base64url(data: bytes) -> bytes:
    """Return base64url without padding (RFC 4648 §5)."""
    return b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")

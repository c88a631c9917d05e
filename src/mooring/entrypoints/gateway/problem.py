"""Refusals as HTTP: problem details (RFC 9457), which also carry the `error` member of the Open Inference Protocol."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from mooring.errors import MooringError

__all__ = ["JSON_TYPE", "PROBLEM_TYPE", "Answer", "Problem", "answer_headers", "problem_of"]

JSON_TYPE = b"application/json"
PROBLEM_TYPE = b"application/problem+json"

_STATUS = {
    "json": 400,
    "path": 404,
    "model-unknown": 404,
    "version-unknown": 404,
    "purpose": 400,
    "token": 401,
    "authorization": 401,
    "denied": 403,
    "not-active": 403,
    "no-current-version": 403,
    "method": 405,
    "read-timeout": 408,
    "head-size": 431,
    "body-size": 413,
    "batch-size": 413,
    "content-encoding": 415,
    "binary-tensors": 415,
    "request-shape": 422,
    "tensor-name": 422,
    "tensor-missing": 422,
    "tensor-type": 422,
    "tensor-shape": 422,
    "tensor-value": 422,
    "output-name": 422,
    "model-output": 500,
    "model-run": 500,
    "internal": 500,
    "overload": 503,
    "draining": 503,
    "stale": 503,
    "receipt-log": 503,
    "timeout": 503,
    "model-load": 503,
    "undecided": 503,
    "evidence": 503,
    "not-found": 404,
    "tile": 404,
    "tile-path": 404,
    "checkpoint": 404,
    "not-sealed": 404,
    "receipt-unknown": 404,
}
_RETRY_S = {"overload": 1, "draining": 2, "stale": 2, "receipt-log": 2, "timeout": 1, "model-load": 5}
_ENCODER = msgspec.json.Encoder()


class Answer:
    """What goes back to a client; `receipt` and `salt` are base64url, empty where no inference was made."""

    __slots__ = ("body", "headers", "receipt", "salt", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        receipt: bytes = b"",
        salt: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.receipt = receipt
        self.salt = salt
        self.headers = headers


class _Body(msgspec.Struct, omit_defaults=True):
    type: str
    title: str
    status: int
    detail: str
    error: str
    code: str
    hint: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal: a stable code, what is wrong, what to do, and the rule that said no, if one did."""

    code: str
    detail: str
    hint: str = ""
    rule: str = ""

    @property
    def status(self) -> int:
        """The HTTP status of this code."""
        return _STATUS[self.code]

    @property
    def answer(self) -> Answer:
        """The refusal as an answer, with Retry-After, WWW-Authenticate or Allow where the status asks for it."""
        status = self.status
        body = _Body(
            type=f"urn:mooring:problem:{self.code}",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=self.detail,
            error=self.detail,
            code=self.code,
            hint=self.hint,
            rule=self.rule,
        )
        headers: list[tuple[bytes, bytes]] = []
        if self.code in _RETRY_S:
            headers.append((b"retry-after", b"%d" % _RETRY_S[self.code]))
        if status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b'Bearer error="invalid_token"'))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append((b"allow", b"POST"))
        return Answer(status, _ENCODER.encode(body), headers=tuple(headers))


def answer_headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Return all header fields of an answer, names in lower case."""
    headers = [
        (b"content-type", JSON_TYPE if answer.status == HTTPStatus.OK else PROBLEM_TYPE),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    if answer.receipt:
        headers += [(b"mooring-receipt", answer.receipt), (b"mooring-salt", answer.salt)]
    return headers


def problem_of(error: MooringError, otherwise: str) -> Problem:
    """Return an error as a problem of its own code, or of the code `otherwise` if HTTP does not know it."""
    return Problem(error.code if error.code in _STATUS else otherwise, error.message, error.hint)

"""A client of the gateway that keeps what it needs to prove its answers: exact bodies, salt, receipt."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import numpy as np

from mooring.entrypoints.demo.training import INPUT
from mooring.errors import WorkflowError
from mooring.proofs.bundle import Opening
from mooring.records.receipt import Receipt, commit_input, commit_output

__all__ = ["Answer", "Client", "connect"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: the label, and what proves it."""

    label: int
    receipt: Receipt
    salt: bytes
    request: bytes
    response: bytes

    def opening(self) -> Opening:
        """Return what the client discloses to an auditor."""
        return Opening(self.receipt.origin, self.receipt.index, self.salt, self.request, self.response)


class Client:
    """Speaks the Open Inference Protocol, and checks each receipt at once."""

    def __init__(self, http: httpx.Client, purpose: str) -> None:
        self._http, self._purpose = http, purpose

    def ask(self, model: str, features: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Answer:
        """Ask for one prediction; raises WorkflowError with the gateway's reason if it is refused."""
        body = httpx.Request("POST", "http://x", json=_request(features)).content
        headers = {"content-type": "application/json", "mooring-purpose": self._purpose}
        response = self._http.post(f"/v2/models/{model}/infer", content=body, headers=headers)
        if response.status_code != 200:
            raise _refused(response)
        receipt = Receipt.from_bytes(_decode(response.headers["mooring-receipt"]))
        answer = Answer(_label(response), receipt, _decode(response.headers["mooring-salt"]), body, response.content)
        _check(answer)
        return answer


@contextmanager
def connect(url: str, purpose: str) -> Iterator[Client]:
    """Connect to a gateway for as long as the block lasts."""
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as http:
        yield Client(http, purpose)


def _request(features: np.ndarray[tuple[int], np.dtype[np.float32]]) -> dict[str, object]:
    data = [float(value) for value in features]
    return {"inputs": [{"name": INPUT, "datatype": "FP32", "shape": [1, len(data)], "data": data}]}


def _label(response: httpx.Response) -> int:
    outputs = {output["name"]: output["data"] for output in response.json()["outputs"]}
    return int(outputs["label"][0])


def _check(answer: Answer) -> None:
    """Refuse a receipt that does not commit to what was sent and received."""
    said = (answer.receipt.input, answer.receipt.output)
    if said != (commit_input(answer.salt, answer.request).hex(), commit_output(answer.salt, answer.response).hex()):
        raise WorkflowError(
            f"receipt {answer.receipt.index} is not of this answer", code="receipt", hint="do not trust this gateway"
        )


def _refused(response: httpx.Response) -> WorkflowError:
    problem = response.json() if "json" in response.headers.get("content-type", "") else {}
    rule = problem.get("rule", "")
    message = f"HTTP {response.status_code}: {problem.get('detail', response.text[:200])}"
    return WorkflowError(message, code=rule or f"http-{response.status_code}", hint=problem.get("hint", ""))


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

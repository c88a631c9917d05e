"""The demo, step by step: every step does the real thing and says what came of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mooring.entrypoints.demo import tampering
from mooring.entrypoints.demo.client import Answer, Client, connect
from mooring.entrypoints.demo.offline import verify_offline
from mooring.entrypoints.demo.page import render
from mooring.entrypoints.demo.story import Story
from mooring.entrypoints.demo.training import Rows, Trained, patients_csv, read_rows, train
from mooring.entrypoints.service import Service, serving
from mooring.errors import ConfigError, MooringError, WorkflowError
from mooring.proofs.trust import Trust
from mooring.proofs.verify import verify_bytes
from mooring.records.predicates import Dataset, Evaluation, Model
from mooring.wiring.founding import found, local_config
from mooring.wiring.home import Home
from mooring.wiring.session import Session, open_session
from mooring.workflows import deploy, look, people
from mooring.workflows.approve import approve
from mooring.workflows.deployment import Actor
from mooring.workflows.export import export_version
from mooring.workflows.register import evaluation_digest, register_model

__all__ = ["run"]

_DATA, _V1, _V2 = "breast-cancer@1", "tumour@1", "tumour@2"
_PURPOSE = "diagnosis"
_ERASED = "patient-0042"
_SHARE = 50
_WRITTEN = {
    "bundle-after-erasure.json",
    "bundle.json",
    "deployment",
    "index.html",
    "transcript.txt",
    "trust.json",
    "tumour-1.onnx",
    "tumour-2.onnx",
}
"""What a demo writes into its folder."""

_FINAL_S = 600.0
_FAULT = 10.0
"""The second version's pipeline multiplies its inputs by this: millimetres where centimetres were meant."""


@dataclass(slots=True)
class _Stage:
    """What the steps hand to each other."""

    out: Path
    story: Story
    session: Session
    service: Service
    client: Client
    predictions: int
    rows: Rows | None = None
    answers: list[Answer] = field(default_factory=list)
    bundles: dict[str, bytes] = field(default_factory=dict)
    trust: Trust | None = None
    refusals: list[tuple[str, str]] = field(default_factory=list)
    figures: list[tuple[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def act(self, name: str) -> Actor:
        """Return a member of the deployment."""
        return self.session.deployment.actor(name)

    def expect(self, true: bool, what: str) -> None:
        """Note what should have been so and was not: the demo then fails."""
        if not true:
            self.failures.append(what)
            self.story.refuse(f"UNEXPECTED: {what}")

    def refused(self, what: str, act: Callable[[], object]) -> None:
        """Do what must be refused, and tell why it was."""
        try:
            act()
        except MooringError as error:
            self.story.refuse(f"{what}: refused, {error.code}")
            return
        self.expect(False, f"{what} was not refused")


def run(out: Path, ledger: str, predictions: int, show: Callable[[str], None]) -> dict[str, Any]:
    """Run the demo into a folder and return its outcome; what an earlier demo left there is replaced."""
    home = Home((out / "deployment").absolute())
    _clear(out)
    story = Story("bytes" if ledger.startswith("tlog:") else "gas", show)
    story.say("Mooring: one model's whole life on a real ledger, with evidence that a stranger verifies offline")
    with ExitStack() as stack:
        session = _founded(story, stack, home, ledger)
        service = stack.enter_context(serving(session, story.say, port=0))
        client = stack.enter_context(connect(service.gateway, _PURPOSE))
        stage = _Stage(out, story, session, service, client, predictions)
        for step in (_data, _first, _approvals, _serving, _evidence, _tamper, _second, _incident, _erasure, _past):
            step(stage)
        return _finish(stage)


def _clear(out: Path) -> None:
    """Make room for a new run; what an earlier demo did not write is never touched."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is no folder", code="out-in-use", hint="give --out another folder")
    found = {path.name for path in out.iterdir()} if out.exists() else set[str]()
    ours = not found or (out / "deployment" / "mooring.toml").is_file()
    if not ours or found - _WRITTEN:
        raise ConfigError(
            f"{out} holds other things: {', '.join(sorted(found - _WRITTEN) or sorted(found))}",
            code="out-in-use",
            hint="give --out another folder",
        )
    for name in found:
        path = out / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    out.mkdir(parents=True, exist_ok=True)


def _founded(story: Story, stack: ExitStack, home: Home, ledger: str) -> Session:
    with story.step("Found a deployment: three organisations, their keys, the ledger"):
        config = local_config("mooring.local/demo", ledger)
        founded = found(home, config, local=True, say=lambda _: None)
        for name, members in founded.organisations.items():
            story.tell(f"{name}: {', '.join(members)}")
        if founded.funded_by:
            story.tell(f"a development node: its account {founded.funded_by} gave ours ether for the fees")
        session = stack.enter_context(open_session(home))
        gas = sum(session.founding_gas().values())
        story.tell(
            f"ledger {founded.chain}: {', '.join(founded.contracts) or 'a witnessed log, no contracts'}", cost=gas
        )
    return session


def _data(stage: _Stage) -> None:
    deployment = stage.session.deployment
    with stage.story.step("Register the data set: 569 patients, each row encrypted under that patient's key"):
        dataset = Dataset(
            "breast-cancer", "1", deployment.now(), "UCI Breast Cancer Wisconsin, as in scikit-learn", "CC-BY-4.0"
        )
        made = people.register_table(deployment, stage.act("alice"), patients_csv(), "patient", dataset)
        stage.story.tell(f"{_DATA}: manifest {made.manifest}, log entry {made.log_index}", cost=made.cost)
        again = people.register_table(deployment, stage.act("alice"), patients_csv(), "patient", dataset)
        stage.expect(not again.new and again.manifest == made.manifest, "the same rows gave another record")
        stage.story.tell("the same rows again: the same record")
        table = people.read_table(deployment, _DATA)
        stage.rows = read_rows(table.columns, table.rows)
        stage.story.tell(f"{len(table.rows)} rows read back, each checked against its commitment in the manifest")


def _first(stage: _Stage) -> None:
    with stage.story.step("Train a model, export it to ONNX, register it with its provenance"):
        _register(stage, _V1, 1.0)
        act, deployment = stage.act("alice"), stage.session.deployment
        policy = stage.session.policy_for(_V1)
        stage.refused(
            "activation before any approval",
            lambda: deploy.activate(deployment, act, _V1, policy, environment="demo", purposes=(_PURPOSE,)),
        )
        stage.refused("a prediction before activation", lambda: _ask(stage, 0))


def _register(stage: _Stage, name: str, factor: float) -> Trained:
    deployment = stage.session.deployment
    assert stage.rows is not None
    trained = train(stage.rows, factor=factor)
    path = stage.out / f"{name.replace('@', '-')}.onnx"
    stage.session.write(path, trained.onnx)
    manifest = stage.session.keep(path, lambda _: None)
    asset, label = look.split(name)
    now, data = deployment.now(), look.manifest_of(deployment, _DATA)
    evaluation = Evaluation(asset, label, now, data, trained.metrics, "30 % held out, stratified, seed 7")
    model = Model(
        asset,
        label,
        now,
        "onnx",
        (data,),
        stage.session.code_commit(),
        trained.parameters,
        evaluation_digest(manifest, evaluation),
        description="benign or malignant, from 30 features of cell nuclei",
    )
    made = register_model(deployment, stage.act("alice"), manifest, model, evaluation)
    metrics = ", ".join(f"{key} {value}" for key, value in trained.metrics.items())
    stage.story.tell(f"{name} ({len(trained.onnx):,} bytes of ONNX): {metrics} on held-out rows", cost=made.cost)
    return trained


def _approvals(stage: _Stage) -> None:
    deployment = stage.session.deployment
    with stage.story.step("Approve it: two of three organisations must, and nobody their own"):
        stage.refused("alice approves her own proposal", lambda: approve(deployment, stage.act("alice"), _V1))
        first = approve(deployment, stage.act("bob"), _V1, comment="metrics reproduced")
        stage.story.tell(f"{first.organisation} approves: {first.approvals} of {first.needed}", cost=first.cost)
        stage.refused("lab approves a second time", lambda: approve(deployment, stage.act("bob"), _V1))
        _approve_rest(stage, _V1)
        _activate(stage, _V1)


def _approve_rest(stage: _Stage, name: str) -> None:
    made = approve(stage.session.deployment, stage.act("carol"), name, comment="documents complete")
    text = f"{made.organisation} approves: {made.approvals} of {made.needed}, {name} is {made.status}"
    stage.story.tell(text, cost=made.cost)


def _activate(stage: _Stage, name: str) -> None:
    deployment, policy = stage.session.deployment, stage.session.policy_for(name)
    changed = deploy.activate(deployment, stage.act("alice"), name, policy, environment="demo", purposes=(_PURPOSE,))
    stage.story.tell(f"{name}: {changed.before} → {changed.after}, for {_PURPOSE}", cost=changed.cost)


def _ask(stage: _Stage, number: int) -> Answer:
    assert stage.rows is not None
    return stage.client.ask("tumour", stage.rows.features[number % len(stage.rows.features)])


def _serving(stage: _Stage) -> None:
    with stage.story.step(f"Serve it over HTTP: {stage.predictions:,} predictions, each with a durable receipt"):
        stage.story.tell(f"gateway {stage.service.gateway}/v2 (Open Inference Protocol)")
        _await(stage, _V1)
        begun = time.perf_counter()
        stage.answers = [_ask(stage, number) for number in range(stage.predictions)]
        seconds = time.perf_counter() - begun
        correct = _correct(stage, stage.answers)
        stage.expect(correct > 0.95, "the first version answers badly")
        stage.story.tell(f"{len(stage.answers):,} answers in {seconds:.2f} s over one connection, {correct:.1%} right")
        indexes = [answer.receipt.index for answer in stage.answers]
        stage.expect(indexes == list(range(indexes[0], indexes[0] + len(indexes))), "receipts have gaps")
        stage.story.tell("every receipt commits to the exact request and response; their indexes have no gap")
        stage.figures.append((f"{len(stage.answers):,}", "predictions, each with a receipt"))


def _await(stage: _Stage, name: str) -> None:
    """Wait until the gateway's follower has seen what the ledger says of a version."""
    label = look.split(name)[1]
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if _ask(stage, 0).receipt.version == label:
                return
        except WorkflowError:
            pass  # not followed yet: that is what is waited for
        time.sleep(0.05)
    stage.expect(False, f"{name} was not served within 30 s")


def _correct(stage: _Stage, answers: list[Answer]) -> float:
    assert stage.rows is not None
    labels = stage.rows.labels[np.arange(len(answers)) % len(stage.rows.labels)]
    return float(np.mean([answer.label == label for answer, label in zip(answers, labels, strict=True)]))


def _anchor(stage: _Stage) -> None:
    assert stage.service.receipts is not None
    stage.service.receipts.seal()
    for made in stage.session.anchor():
        if made.new:
            stage.story.tell(f"{made.origin}: {made.size:,} entries under one root", cost=made.cost)
    _until_final(stage)


def _until_final(stage: _Stage) -> None:
    """Wait until the ledger calls everything final that the bundle will prove: at once on most ledgers of a demo."""
    deployment, begun = stage.session.deployment, time.monotonic()
    deployment.follow()
    wanted = deployment.events()[-1].block
    while deployment.final() < wanted and time.monotonic() - begun < _FINAL_S:
        time.sleep(0.1)
        deployment.follow()
    if time.monotonic() - begun > 1:
        stage.story.tell(f"final on the ledger after {time.monotonic() - begun:.0f} s")


def _evidence(stage: _Stage) -> None:
    with stage.story.step("Anchor the logs, export one bundle, verify it in another process without network"):
        _anchor(stage)
        bundle = _export(stage, _V1, "bundle.json", stage.answers[-_SHARE:])
        stage.trust = stage.session.write_trust()
        stage.session.write(stage.out / "trust.json", stage.trust.to_bytes())
        stage.story.tell(f"bundle.json: {len(bundle):,} bytes, {_SHARE} receipts with their answers")
        _verify(stage, "bundle.json")
        begun = time.perf_counter()
        verify_bytes(bundle, stage.trust, now_s=int(time.time()))
        milliseconds = 1000 * (time.perf_counter() - begun)
        stage.figures.append((f"{milliseconds:.0f} ms", "to verify the bundle offline, once loaded"))


def _export(stage: _Stage, name: str, file: str, answers: list[Answer]) -> bytes:
    openings = [answer.opening() for answer in answers]
    indexes = [opening.index for opening in openings]
    bundle = export_version(stage.session.deployment, name, receipts=indexes, openings=openings).to_bytes()
    stage.session.write(stage.out / file, bundle)
    stage.bundles[file] = bundle
    return bundle


def _verify(stage: _Stage, file: str) -> None:
    done = verify_offline(stage.out / file, stage.out / "trust.json")
    claims = [claim["outcome"] for claim in done.report["claims"]]
    stage.expect(done.code == 0, f"{file} does not verify: {done.report['outcome']}")
    words = f"{claims.count('proved')} of {len(claims)} claims proved"
    stage.story.tell(f"{file}: {words} in {done.seconds:.2f} s ({done.isolation})")


def _tamper(stage: _Stage) -> None:
    assert stage.trust is not None
    bundle, trust, now_s = stage.bundles["bundle.json"], stage.trust, int(time.time())
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("weights in the blob store", lambda: tampering.in_weights(stage.session, _V1)),
        ("attestation in the bundle", lambda: tampering.in_attestation(bundle, trust, now_s)),
        ("tile of the receipts log", lambda: tampering.in_tile(stage.session)),
        ("receipt in the bundle", lambda: tampering.in_receipt(bundle, trust, now_s)),
        ("inclusion path in the bundle", lambda: tampering.in_bundle(bundle, trust, now_s)),
        ("row in the index", lambda: tampering.in_index(stage.session)),
    )
    with stage.story.step("Change one byte, in six places"):
        for what, check in checks:
            reason = check()
            stage.expect(bool(reason), f"a changed byte in {what} was not noticed")
            stage.story.refuse(f"{what}: refused, {reason}")
            stage.refusals.append((what, reason))


def _second(stage: _Stage) -> None:
    with stage.story.step("Version 2 passes review and is bad: its pipeline has a unit error"):
        _register(stage, _V2, _FAULT)
        made = approve(stage.session.deployment, stage.act("bob"), _V2)
        stage.story.tell(f"{made.organisation} approves: {made.approvals} of {made.needed}", cost=made.cost)
        _approve_rest(stage, _V2)
        _activate(stage, _V2)
        _await(stage, _V2)
        answers = [_ask(stage, number) for number in range(100)]
        correct = _correct(stage, answers)
        stage.expect(correct < 0.8, "the second version is not bad")
        stage.story.tell(f"100 answers from {_V2}: only {correct:.0%} right; held-out data had the same error")


def _incident(stage: _Stage) -> None:
    deployment = stage.session.deployment
    with stage.story.step("A guardian suspends it; the gateway refuses; an operator rolls back"):
        changed = deploy.suspend(deployment, stage.act("carol"), _V2, "wrong unit: answers no better than chance")
        on_ledger = time.perf_counter()
        stage.story.tell(f"{_V2}: {changed.before} → {changed.after}, by one guardian alone", cost=changed.cost)
        waited = _until_refused(stage, on_ledger)
        stage.story.refuse(f"a prediction from {_V2}: refused within {1000 * waited:.0f} ms of the ledger's block")
        stage.figures.append((f"{1000 * waited:.0f} ms", "from the suspension on the ledger to the gateway's refusal"))
        back = deploy.rollback(deployment, stage.act("alice"), _V1, f"{_V2} suspended")
        stage.story.tell(f"{_V1} is served by default again", cost=back.cost)
        deploy.report_incident(
            deployment,
            stage.act("carol"),
            _V2,
            severity="high",
            summary="inputs in millimetres were read as centimetres",
            actions=(f"suspended {_V2}", f"rolled back to {_V1}"),
        )
        _await(stage, _V1)
        correct = _correct(stage, [_ask(stage, number) for number in range(100)])
        stage.story.tell(f"100 answers from {_V1}: {correct:.0%} right; the incident is attested")


def _until_refused(stage: _Stage, since: float) -> float:
    while time.perf_counter() - since < 30:
        try:
            _ask(stage, 0)
        except WorkflowError:
            return time.perf_counter() - since
        time.sleep(0.005)
    stage.expect(False, "the gateway went on answering for 30 s")
    return time.perf_counter() - since


def _erasure(stage: _Stage) -> None:
    deployment = stage.session.deployment
    with stage.story.step(f"Erase one patient ({_ERASED}): their rows are unreadable, the audit stays whole"):
        erased = people.erase_person(deployment, stage.act("alice"), _ERASED, "request under GDPR Art. 17")
        stage.story.tell(f"{erased.keys} key destroyed; log entry {erased.log_index} says so and names nobody")
        table = people.read_table(deployment, _DATA)
        stage.expect(len(table.rows) == 568 and table.erased == 1, "not exactly one row became unreadable")
        stage.story.tell(f"{len(table.rows)} rows can be read, {table.erased} cannot, by anybody")
        stage.refused(
            "erasing them again", lambda: people.erase_person(deployment, stage.act("alice"), _ERASED, "again")
        )
        _verify(stage, "bundle.json")
        _anchor(stage)
        _export(stage, _V1, "bundle-after-erasure.json", stage.answers[:_SHARE])
        _verify(stage, "bundle-after-erasure.json")


def _past(stage: _Stage) -> None:
    with stage.story.step("The history of both versions, from ledger and log"):
        for name in (_V1, _V2):
            for line in look.history(stage.session.deployment, name):
                by = f" by {line.who}" if line.who else ""
                detail = f" ({line.detail})" if line.detail and line.detail != name else ""
                stage.story.tell(f"{line.time}  {line.where:<10} {name} {line.what}{by}{detail}")


def _finish(stage: _Stage) -> dict[str, Any]:
    story = stage.story
    assert stage.trust is not None
    spent = sum(step.gas for step in story.steps)
    figures = [(f"{story.seconds:.1f} s", "for everything"), (f"{spent:,}", f"{story.unit} in all"), *stage.figures]
    report = verify_bytes(stage.bundles["bundle.json"], stage.trust, now_s=int(time.time()))
    lives = [(name, _statuses(stage, name)) for name in (_V1, _V2)]
    page = render(story, report, lives, stage.refusals, figures)
    stage.session.write(stage.out / "index.html", page.encode())
    outcome = "FAILED: " + "; ".join(stage.failures) if stage.failures else "all as it should be"
    story.say(f"\n{outcome}, in {story.seconds:.1f} s and {spent:,} {story.unit}")
    story.say(f"see {stage.out}/index.html; verify it yourself, without network:")
    story.say(f"  .venv/bin/mooring verify {stage.out}/bundle.json --trust {stage.out}/trust.json")
    stage.session.write(stage.out / "transcript.txt", ("\n".join(story.text) + "\n").encode())
    return {
        "ok": not stage.failures,
        "seconds": round(story.seconds, 2),
        "cost": spent,
        "unit": story.unit,
        "out": str(stage.out),
        "failures": stage.failures,
        "refusals": dict(stage.refusals),
    }


def _statuses(stage: _Stage, name: str) -> list[str]:
    lines = look.history(stage.session.deployment, name)
    changes = [line.what.split(" → ")[1] for line in lines if " → " in line.what and line.where.startswith("ledger")]
    return ["proposed", *changes]

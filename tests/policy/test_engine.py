"""A policy is checked when it is loaded, and a decision names its rules and never allows by accident."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import PolicyError
from mooring.policy import ACTIONS, DEFAULT_POLICY, NO_RULE, Facts, Policy, decide

ASK = Facts("infer", "ward-7", "triage", "v1", "active", "inference", purposes=("inference", "audit"))
KNOWN = replace(ASK, authenticated=True, organisation="hospital", owner="hospital")
DEFAULT = Policy.load(DEFAULT_POLICY)
PERMIT = '@id("all") permit (principal, action, resource);'


def refusal(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        Policy.load(text)
    return caught.value


def test_an_active_version_serves_for_a_purpose_of_its_deployment() -> None:
    decision = decide(DEFAULT, ASK)
    assert decision.allowed
    assert decision.rules == ("callers-may-infer",)


@pytest.mark.parametrize("status", ["proposed", "approved", "suspended", "revoked", "retired", "ACTIVE"])
def test_a_version_that_is_not_active_is_denied_by_the_rule_that_says_so(status: str) -> None:
    decision = decide(DEFAULT, replace(ASK, status=status))
    assert not decision.allowed
    assert decision.rules == ("only-active-versions-serve",)
    assert decision.reason == "only-active-versions-serve"


def test_another_purpose_is_denied_by_name() -> None:
    assert decide(DEFAULT, replace(ASK, purpose="advertising")).rules == ("purpose-of-the-deployment",)


def test_a_deployment_without_purposes_serves_none() -> None:
    assert not decide(DEFAULT, replace(ASK, purposes=())).allowed


def test_a_deployment_with_jurisdictions_serves_only_from_there() -> None:
    at_home = replace(ASK, jurisdictions=("KR", "DE"), jurisdiction="KR")
    assert decide(DEFAULT, at_home).allowed
    abroad = decide(DEFAULT, replace(at_home, jurisdiction="US"))
    assert abroad.rules == ("jurisdiction-of-the-deployment",)
    assert not decide(DEFAULT, replace(at_home, jurisdiction="")).allowed


def test_every_rule_that_forbids_is_named_in_the_order_of_the_text() -> None:
    decision = decide(DEFAULT, replace(ASK, status="retired", purpose="x", jurisdictions=("KR",)))
    assert decision.rules == (
        "only-active-versions-serve",
        "purpose-of-the-deployment",
        "jurisdiction-of-the-deployment",
    )


def test_known_callers_train_and_strangers_do_not() -> None:
    assert decide(DEFAULT, replace(KNOWN, action="train")).allowed
    stranger = decide(DEFAULT, replace(ASK, action="train"))
    assert not stranger.allowed
    assert stranger.reason == NO_RULE


def test_nobody_trains_on_what_was_revoked() -> None:
    decision = decide(DEFAULT, replace(KNOWN, action="train", status="revoked"))
    assert decision.rules == ("revoked-versions-are-not-trained-on",)


def test_only_an_approved_version_is_activated() -> None:
    approved = replace(KNOWN, action="activate", status="approved", approvals=2)
    assert decide(DEFAULT, approved).allowed
    assert decide(DEFAULT, replace(approved, status="suspended")).rules == ("only-approved-versions-activate",)
    assert decide(DEFAULT, replace(approved, approvals=0)).rules == ("only-approved-versions-activate",)


def test_what_no_rule_permits_is_denied_and_says_so() -> None:
    policy = Policy.load('@id("only-train") permit (principal, action == Action::"train", resource);')
    decision = decide(policy, ASK)
    assert not decision.allowed
    assert decision.rules == ()
    assert decision.reason == "no rule permits this"


def test_metrics_are_seen_with_four_places_rounded_down() -> None:
    policy = Policy.load(
        '@id("good-enough") permit (principal, action, resource)\n'
        'when { resource.hasTag("auc") && resource.getTag("auc").greaterThanOrEqual(decimal("0.95")) };'
    )
    assert decide(policy, replace(ASK, metrics={"auc": 0.95})).allowed
    assert not decide(policy, replace(ASK, metrics={"auc": 0.94999})).allowed
    assert not decide(policy, replace(ASK, metrics={"accuracy": 0.99})).allowed
    assert not decide(policy, ASK).allowed


def test_organisations_compare_and_an_absent_one_never_matches() -> None:
    policy = Policy.load(
        '@id("owners") permit (principal, action, resource)\n'
        "when { principal has organisation && resource has owner && principal.organisation == resource.owner };"
    )
    assert decide(policy, KNOWN).allowed
    assert not decide(policy, replace(KNOWN, organisation="bank")).allowed
    assert not decide(policy, ASK).allowed


def test_membership_of_an_organisation_can_stand_in_the_scope() -> None:
    policy = Policy.load('@id("ours") permit (principal in Organisation::"hospital", action, resource);')
    assert decide(policy, KNOWN).allowed
    assert not decide(policy, replace(KNOWN, organisation="bank")).allowed


def test_an_error_of_evaluation_denies_even_beside_a_permit() -> None:
    policy = Policy.load(
        f'{PERMIT}\n@id("overflow") forbid (principal, action, resource)\n'
        "when { resource.approvals + 9223372036854775807 > 1 };"
    )
    decision = decide(policy, replace(ASK, approvals=1))
    assert not decision.allowed
    assert decision.rules == ()
    assert "`overflow`" in decision.errors[0]
    assert decision.reason.startswith("the policy could not be evaluated: ")
    assert decide(Policy.load(PERMIT), replace(ASK, approvals=1)).allowed


def test_rules_keep_their_names_beyond_ten() -> None:
    rules = [
        f'@id("r{n}") permit (principal, action, resource) when {{ resource.approvals == {n} }};' for n in range(25)
    ]
    policy = Policy.load("\n".join(rules))
    for count in range(25):
        assert decide(policy, replace(ASK, approvals=count)).rules == (f"r{count}",)


def test_the_digest_is_the_sha256_of_the_canonical_text_however_it_was_typed() -> None:
    policy = Policy.load(PERMIT)
    assert policy.digest.hex == hashlib.sha256(f"{PERMIT}\n".encode()).hexdigest()
    assert Policy.load(f"\r\n{PERMIT}  \r\n\r\n").digest == policy.digest
    assert Policy.load(f"{PERMIT}\n").digest == policy.digest
    assert Policy.load(PERMIT.replace("all", "al")).digest != policy.digest
    assert Policy.load(policy.text).text == policy.text


def test_an_empty_policy_is_refused() -> None:
    assert refusal(" \n").code == "policy-size"
    assert refusal("// nothing but a comment").code == "policy-empty"


def test_an_oversized_policy_is_refused() -> None:
    assert refusal(f"{PERMIT}//{'x' * 256 * 1024}").code == "policy-size"


def test_a_syntax_error_names_its_line_and_the_token() -> None:
    error = refusal(f'{PERMIT}\n\n// note;\n@id("b;")\npermit (principal,\n  action resource);')
    assert error.code == "policy-syntax"
    assert error.message == "policy line 6: unexpected token `resource`"
    assert error.hint


def test_an_unfinished_statement_names_the_line_on_which_it_begins() -> None:
    error = refusal(f'{PERMIT}\n@id("b")\npermit (principal, action, resource)')
    assert error.message == "policy line 2: unexpected end of input"


def test_an_attribute_that_the_schema_does_not_know_is_refused_with_its_line() -> None:
    error = refusal('@id("a")\npermit (principal, action, resource)\nwhen { resource.sttus == "active" };')
    assert error.code == "policy-schema"
    assert error.message == "policy line 3: attribute `sttus` on entity type `Model` not found"


def test_an_action_that_the_schema_does_not_know_is_refused() -> None:
    assert (
        refusal(f'{PERMIT}\n@id("b") permit (principal, action == Action::"sell", resource);').code == "policy-schema"
    )


def test_a_metric_read_without_asking_whether_it_is_there_is_refused() -> None:
    text = '@id("a") permit (principal, action, resource)\nwhen { resource.getTag("f1").greaterThan(decimal("0.5")) };'
    assert refusal(text).message.startswith("policy line 2: ")


@pytest.mark.parametrize("annotation", ["", '@id("")', "@id", '@id("Two words")', '@note("x")'])
def test_a_rule_without_a_usable_name_is_refused(annotation: str) -> None:
    error = refusal(f"{PERMIT}\n{annotation} permit (principal, action, resource);")
    assert error.code == "policy-rule-name"
    assert error.message.startswith("policy line 2: ")


def test_two_rules_of_one_name_are_refused() -> None:
    assert refusal(f"{PERMIT}\n{PERMIT}").message == "policy line 2: @id 'all' is taken by an earlier rule"


def test_a_template_is_refused() -> None:
    error = refusal(f'{PERMIT}\n@id("t") permit (principal == ?principal, action, resource);')
    assert error.code == "policy-template"
    assert error.message.startswith("policy line 2: ")


label = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)


@given(
    st.builds(
        Facts,
        action=st.sampled_from(ACTIONS),
        caller=label,
        model=label,
        version=label,
        status=label,
        purpose=label,
        authenticated=st.booleans(),
        organisation=st.just("") | label,
        owner=st.just("") | label,
        purposes=st.lists(label, max_size=3).map(tuple),
        jurisdiction=st.just("") | label,
        jurisdictions=st.lists(label, max_size=3).map(tuple),
        approvals=st.integers(0, 2**53 - 1),
        metrics=st.dictionaries(label, st.floats(-8e14, 8e14) | st.integers(-5, 5), max_size=3),
    )
)
def test_all_facts_that_exist_fit_the_schema(facts: Facts) -> None:
    assert decide(Policy.load(PERMIT), facts).allowed
    assert decide(DEFAULT, facts).errors == ()

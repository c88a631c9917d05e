"""The configuration is refused where a field is not what it may be, by file, field and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mooring.errors import ConfigError
from mooring.wiring.config import Config, load, parse
from mooring.wiring.founding import local_config

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
SOUND = f"""
deployment = "example.org/production"
threshold = 2
custodians = 3
witnesses_required = 1
observers_required = 2

[ledger]
url = "http://127.0.0.1:8545"
chain_id = 31337
finality_depth = 2
operators = 4

[storage]
blobs = "s3://bucket/models"
index = "postgresql://mooring@db/mooring"
keys = "env:"

[partition]
seal_interval_s = 2
anchor_interval_s = 60
batch = 500

[gateway]
host = "0.0.0.0"
port = 9000
purpose = "diagnosis"
[gateway.callers]
clinic = "{"ab" * 32}"

[[organisation]]
name = "hospital"
member = [
  {{ name = "alice", roles = ["publisher", "operator"] }},
  {{ name = "dora", roles = ["approver"], account = "{ADDRESS}" }},
]

[[organisation]]
name = "lab"
member = [{{ name = "bob", roles = ["approver", "guardian"] }}]
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "place.toml")
    assert caught.value.code == "config"
    assert caught.value.message.startswith("place.toml: ")
    assert caught.value.hint.startswith("expected ")
    return caught.value.message.removeprefix("place.toml: ")


def with_(field: str, value: str) -> str:
    """The sound configuration with a field, `table.field`, set to another value."""
    table, _, name = field.rpartition(".")
    lines = SOUND.splitlines()
    start = lines.index(f"[{table}]") + 1 if table else 0
    found = [i for i in range(start, len(lines)) if lines[i].startswith(f"{name} = ")]
    end = next((i for i in range(start, len(lines)) if lines[i].startswith("[")), len(lines))
    if found and found[0] < end:
        lines[found[0]] = f"{name} = {value}"
    else:
        lines.insert(start, f"{name} = {value}")
    return "\n".join(lines)


def test_a_sound_configuration_is_read_whole() -> None:
    config = parse(SOUND.encode())
    assert [item.name for item in config.organisations] == ["hospital", "lab"]
    assert config.member("dora")[0].name == "hospital"
    assert config.member("dora")[1].account == ADDRESS
    assert (config.ledger.chain_id, config.storage.keys, config.partition.batch) == (31337, "env:", 500)
    assert (config.gateway.port, config.gateway.purpose) == (9000, "diagnosis")


def test_what_is_not_given_has_its_default() -> None:
    text = (
        'deployment = "a/b"\nthreshold = 1\n[[organisation]]\nname = "x"\nmember = [{name = "y", roles = ["approver"]}]'
    )
    config = parse(text.encode())
    assert (config.ledger.url, config.storage.blobs, config.gateway.host) == (
        "embedded:///chain",
        "file:blobs",
        "127.0.0.1",
    )


@pytest.mark.parametrize("ledger", ["embedded:///chain", "tlog:///ledger"])
def test_the_configuration_for_one_machine_is_sound(ledger: str) -> None:
    config = parse(local_config("mooring.local/demo", ledger).encode())
    assert (config.ledger.url, config.ledger.finality_depth, config.threshold) == (ledger, 0, 2)
    assert {member.name for item in config.organisations for member in item.members} == {"alice", "bob", "carol"}


NUMBERS = {
    "threshold": ("0", "-1", "3"),
    "custodians": ("0", "10001"),
    "witnesses_required": ("-1", "3"),
    "observers_required": ("0", "3"),
    "ledger.chain_id": ("-1", "9007199254740993"),
    "ledger.operators": ("0", "-3", "1000001"),
    "ledger.finality_depth": ("-1", "1000001"),
    "ledger.interval_s": ("0", "-1.0", "nan", "inf", "86401"),
    "ledger.max_staleness_s": ("0", "0.1", "nan", "inf"),
    "ledger.confirm_timeout_s": ("0", "-5", "inf"),
    "partition.seal_interval_s": ("0", "nan", "inf", "86401"),
    "partition.anchor_interval_s": ("0", "-1", "nan"),
    "partition.batch": ("0", "-1"),
    "gateway.port": ("-1", "65536"),
    "gateway.max_body": ("0", "-1", "2147483649"),
    "gateway.max_rows": ("0",),
    "gateway.queue": ("0", "1000001"),
    "gateway.micro_batch": ("0",),
    "gateway.timeout_s": ("0", "nan", "inf"),
    "gateway.trace_share": ("-0.1", "1.1", "nan"),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in NUMBERS.items() for value in values])
def test_a_number_out_of_bounds_is_refused_by_name(field: str, value: str) -> None:
    assert refusal(with_(field, value)).startswith(f"{field} ")


TEXTS = {
    "deployment": ('""', '"with space"', '"with+plus"', '"täglich"', '"a\\tb"', f'"{"x" * 201}"'),
    "ledger.url": (
        '""',
        '"chain"',
        '"ftp://host/x"',
        '"http://"',
        '"http://host:port"',
        '"embedded:///"',
        '"embedded:///../x"',
        '"embedded://host/x"',
        '"tlog://ledger"',
        '"tlog:///a/../../b"',
    ),
    "storage.blobs": ('""', '"blobs"', '"file:"', '"file://host/x"', '"s3:///prefix"', '"gs://bucket"'),
    "storage.index": ('"mysql://host/db"', '"index.sqlite"'),
    "storage.keys": ('""', '"file:/elsewhere"', '"vault:x"', '"env"'),
    "gateway.host": ('""', '"a b"', f'"{"h" * 256}"'),
    "gateway.purpose": ('""', '"a b"', '".x"', f'"{"p" * 65}"'),
    "gateway.otlp_endpoint": ('"localhost:4318"', '"ftp://x"', '"http://"'),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in TEXTS.items() for value in values])
def test_a_text_that_means_nothing_is_refused_by_name(field: str, value: str) -> None:
    assert refusal(with_(field, value)).startswith(field)


def test_an_index_that_is_refused_does_not_show_its_password() -> None:
    assert "hunter2" not in refusal(with_("storage.index", '"mysql://me:hunter2@host/db"'))


def test_an_embedded_chain_needs_an_id_of_its_own() -> None:
    text = with_("ledger.url", '"embedded:///chain"').replace("chain_id = 31337", "chain_id = 0")
    assert refusal(text).startswith("ledger.chain_id 0")
    assert parse(with_("ledger.chain_id", "0").encode()).ledger.chain_id == 0


@pytest.mark.parametrize(
    ("given", "instead", "field"),
    [
        ('name = "lab"', 'name = "Lab"', "organisation[1].name"),
        ('name = "lab"', 'name = "la_b"', "organisation[1].name"),
        ('name = "lab"', 'name = "la.b"', "organisation[1].name"),
        ('name = "lab"', 'name = ""', "organisation[1].name"),
        ('name = "lab"', f'name = "{"l" * 49}"', "organisation[1].name"),
        ('name = "lab"', 'name = "hospital"', "organisation[1].name"),
        ('name = "lab"', 'name = "alice"', "organisation[0].member[0].name"),
        ('name = "bob"', 'name = "alice"', "organisation[1].member[0].name"),
        ('name = "bob"', 'name = "hospital-attest"', "organisation[1].member[0].name"),
        ('name = "bob"', 'name = "lab-witness"', "organisation[1].member[0].name"),
        ('name = "bob"', 'name = "anchorer"', "organisation[1].member[0].name"),
        ('name = "bob"', 'name = "log-ledger"', "organisation[1].member[0].name"),
        ('"approver", "guardian"', '"approver", "king"', "organisation[1].member[0].roles"),
        ('"approver", "guardian"', '"guardian", "guardian"', "organisation[1].member[0].roles"),
        ('["approver", "guardian"]', "[]", "organisation[1].member[0].roles"),
        ('[{ name = "bob", roles = ["approver", "guardian"] }]', "[]", "organisation[1].member is empty"),
        (ADDRESS, ADDRESS.lower(), "organisation[0].member[1].account"),
        (ADDRESS, ADDRESS[:-1], "organisation[0].member[1].account"),
        (ADDRESS, "alice", "organisation[0].member[1].account"),
        ('"approver", "guardian"', '"guardian"', "threshold 2"),
    ],
)
def test_a_member_or_organisation_that_cannot_be_is_refused_by_place(given: str, instead: str, field: str) -> None:
    assert refusal(SOUND.replace(given, instead)).startswith(field)


def test_an_account_serves_one_member() -> None:
    twice = SOUND.replace('["approver", "guardian"] }', f'["approver", "guardian"], account = "{ADDRESS}" }}')
    assert refusal(twice).startswith(f"organisation.member.account {ADDRESS} is given twice")


@pytest.mark.parametrize("field", ["attest_key", "witness_key"])
def test_a_public_key_that_is_none_is_refused(field: str) -> None:
    text = SOUND.replace('name = "lab"\n', f'name = "lab"\n{field} = "ed25519:AAAA"\n')
    assert refusal(text).startswith(f"organisation[1].{field}")


def test_a_log_key_is_no_witness_key(home: Path) -> None:
    from mooring.wiring.home import Home
    from mooring.wiring.session import open_session
    from mooring.workflows.anchor import log_key
    from mooring.workflows.witness import witness_key

    with open_session(Home(home)) as session:
        deployment = session.deployment
        log = str(log_key(deployment, deployment.records_origin))
        witness = str(witness_key(deployment.name, deployment.keys, deployment.witnesses[0]))
        public = deployment.keys.public("lab-attest").to_text()
    given = 'name = "lab"\n'
    assert refusal(SOUND.replace(given, f'{given}witness_key = "{log}"\n')).startswith("organisation[1].witness_key")
    sound = SOUND.replace(given, f'{given}witness_key = "{witness}"\nattest_key = "{public}"\n')
    assert parse(sound.encode()).organisations[1].attest_key == public


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('clinic2 = "abcd"', "gateway.callers.clinic2"),
        (f'clinic2 = "{"AB" * 32}"', "gateway.callers.clinic2"),
        (f'anonymous = "{"cd" * 32}"', "gateway.callers 'anonymous'"),
        (f'"" = "{"cd" * 32}"', "gateway.callers ''"),
        (f'clinic2 = "{"ab" * 32}"', "gateway.callers.clinic2 has the token of clinic"),
    ],
)
def test_a_caller_without_a_name_or_token_of_its_own_is_refused(line: str, shown: str) -> None:
    assert refusal(SOUND.replace("[[organisation]]", f"{line}\n[[organisation]]", 1)).startswith(shown)


def test_callers_with_tokens_of_their_own_are_read() -> None:
    line = f'"two words" = "{"cd" * 32}"'
    config = parse(SOUND.replace("[[organisation]]", f"{line}\n[[organisation]]", 1).encode())
    assert set(config.gateway.callers) == {"clinic", "two words"}


UNKNOWN = ["", "ledger.", "storage.", "partition.", "gateway."]


@pytest.mark.parametrize("table", UNKNOWN)
def test_an_unknown_field_is_refused_by_name(table: str) -> None:
    assert "thershold" in refusal(with_(f"{table}thershold", "1"))


def test_an_unknown_field_of_a_member_or_organisation_is_refused_by_name() -> None:
    assert "role" in refusal(SOUND.replace('name = "bob", roles', 'name = "bob", role'))
    assert "boss" in refusal(SOUND.replace('name = "lab"\n', 'name = "lab"\nboss = "x"\n'))


@pytest.mark.parametrize(
    ("given", "instead", "place"),
    [
        ("threshold = 2", 'threshold = "2"', "$.threshold"),
        ('deployment = "example.org/production"', "deployment = 3", "$.deployment"),
        ("chain_id = 31337", "chain_id = 1.5", "$.ledger.chain_id"),
        ('deployment = "example.org/production"\n', "", "deployment"),
    ],
)
def test_a_field_of_another_type_or_a_missing_one_is_refused_by_place(given: str, instead: str, place: str) -> None:
    assert place in refusal(SOUND.replace(given, instead))


@pytest.mark.parametrize("text", ["deployment = \nb = 1\n", "=\n", "[ledger\n", "a = 1\na = 2\nb = 3\n"])
def test_what_is_no_toml_is_refused_with_the_line(text: str) -> None:
    assert "line" in refusal(text)


def test_other_encodings_and_overlong_files_are_refused() -> None:
    for data in (b"\xff\xfe", b"#" * (1024 * 1024 + 1)):
        with pytest.raises(ConfigError) as caught:
            parse(data, "place.toml")
        assert caught.value.code == "config"


def test_no_organisation_and_too_many_are_refused() -> None:
    head = SOUND[: SOUND.index("[[organisation]]")]
    assert "organisation" in refusal(head)
    assert refusal(head.replace("[ledger]", "organisation = []\n[ledger]")).startswith("organisation: there are 0")
    many = "".join(
        f'[[organisation]]\nname = "o{n}"\nmember = [{{ name = "m{n}", roles = ["approver"] }}]\n' for n in range(65)
    )
    assert refusal(head + many).startswith("organisation: there are 65")


def test_a_file_that_is_not_there_means_that_there_is_no_deployment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "mooring.toml")
    assert (caught.value.code, caught.value.hint) == ("no-deployment", "run: mooring init")
    (tmp_path / "mooring.toml").mkdir()
    with pytest.raises(ConfigError) as folder:
        load(tmp_path / "mooring.toml")
    assert folder.value.code == "config-unreadable"
    (tmp_path / "sound.toml").write_text(SOUND)
    assert isinstance(load(tmp_path / "sound.toml"), Config)


def test_a_member_that_is_not_there_is_answered_with_those_who_are() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(SOUND.encode()).member("mallory")
    assert (caught.value.code, caught.value.hint) == ("unknown-member", "--as one of: alice, dora, bob")


def test_quotes_in_arguments_cannot_write_other_fields() -> None:
    text = local_config('x"\nthreshold = 1 #', "embedded:///chain")
    assert tomllib.loads(text)["threshold"] == 2
    with pytest.raises(ConfigError):
        parse(text.encode())

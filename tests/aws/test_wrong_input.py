"""Every wrong input gives one line and status 2, and nothing is sent.

The commands come from the program, so a new command without cases fails here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from jobmajor.cli import main
from jobmajor.cli.aws import app
from jobmajor.data import source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.aws.conftest import Proxy

ROOT = Path(__file__).resolve().parents[2]
SURROGATE = "\udcff"  # what a command line makes of a byte that is no UTF-8


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Return every command by the words that name it."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(app)))
# What each needs to be complete.
WORDS: dict[str, tuple[str, ...]] = {
    "approve-deployment": ("3",),
    "batch": ("--input", "titles"),
    "bootstrap": (),
    "capture": (),
    "cleanup": (),
    "delete": ("--stage", "staging"),
    "deploy": ("3",),
    "image": (),
    "invoke": ("nurse",),
    "models approve": ("3",),
    "models list": (),
    "models reject": ("3",),
    "models show": ("3",),
    "monitor": ("--remove",),
    "pipeline list": (),
    "pipeline logs": (),
    "pipeline schedule": (),
    "pipeline start": (),
    "pipeline status": (),
    "pipeline stop": (),
    "pipeline upsert": (),
    "policy": (),
    "prices refresh": (),
    "project catalog": ("--role", "arn:aws:iam::123456789012:role/notebook"),
    "project connect": (),
    "project create": ("--catalog",),
    "project seed": ("clone", "--checkout", str(ROOT)),
    "rollback": ("--stage", "staging"),
    "show": (),
    "upload": ("--release", "starter"),
}
# Each one's own wrong inputs, in place of the words above, and what the line says.
WRONG: dict[str, list[tuple[tuple[str, ...], str]]] = {
    "approve-deployment": [
        ((), "Missing argument"),
        (("0",), "Invalid value"),
        (("-1",), "Invalid value"),
        (("x",), "Invalid value"),
    ],
    "batch": [
        (("--input", "./titles"), "--input: found ./titles, expected an S3 folder"),
        (("--input", "s3://b/t"), "--input: found s3://b/t, expected an address below s3://"),
        (("--input", "s3://b/t", "--output", ""), "--output: found"),
        (("--input", "s3://b/t", "--version", "0"), "Invalid value"),
        (("--input", "s3://b/t", "--instances", "-1"), "Invalid value"),
        (("--input", "s3://b/t", "--instances", "101"), "--instances: found 101"),
        (("--input", "titles", "--instance-type", "ml.c5.9xlrge"), "ml.c5.9xlrge"),
        (("--input", "s3://b/t", "--level", "all"), "all"),
        (("--input", "s3://b/t", "--titles", "-1"), "Invalid value"),
        (("--input", "s3://b/t", "--titles", "inf"), "Invalid value"),
        (("--input", "s3://b/t", "--titles", "1e9", "--rate", "0"), "Invalid value"),
        (("--input", "s3://b/t", "--rate", "9000"), "--rate needs --titles"),
        (
            ("--input", "s3://b/t", "--titles", "1e9", "--instance-type", "ml.x9.large"),
            "found ml.x9.large, whose number of processors is unknown",
        ),
        (("--input", f"s3://b/{SURROGATE}"), "expected"),
    ],
    "bootstrap": [
        (("--parameter", "Encryption"), "Encryption"),
        (("--parameter", "Nonsense=1"), "--parameter Nonsense: expected one of"),
        (("--minutes", "-1"), "Invalid value"),
    ],
    "capture": [
        (("soon",), "the period is 'soon'"),
        (("2026-11-30..2026-11-01",), "ends before it begins"),
        (("--stage", "test"), "--stage: found test"),
        (("--output", "empty"), "empty"),
    ],
    "cleanup": [(("now",), "now")],
    "delete": [
        ((), "--stage"),
        (("--stage", "test"), "--stage: found test"),
        (("--stage", SURROGATE), "--stage: found"),
    ],
    "deploy": [
        (("0",), "Invalid value"),
        (("one",), "Invalid value"),
        (("3", "--mode", "fast"), "--mode: found fast"),
        (("3", "--stage", "test"), "--stage: found test"),
        (("3", "--stage", ""), "--stage: found"),
        (("3", "--instances", "-1"), "--instances: found -1"),
        (("3", "--instances", "0"), "--instances: found 0"),
        (("3", "--max-instances", "0"), "--max-instances: found 0"),
        (("3", "--invocations-per-minute", "-1"), "--invocations-per-minute: found -1"),
        (("3", "--mode", "serverless", "--memory", "-1"), "--memory: found -1"),
        (("3", "--mode", "serverless", "--concurrency", "-1"), "--concurrency: found -1"),
        (("3", "--capture-percent", "-1"), "--capture-percent: found -1"),
        (("3", "--canary-instances", "-1"), "--canary-instances: found -1"),
        (("3", "--bake-seconds", "-1"), "--bake-seconds: found -1"),
        (("3", "--shadow", "0"), "Invalid value"),
        (("3", "--shadow", "3"), "--shadow: found 3, expected another version"),
        (("3", "--instance-type", "ml.m5.lrge"), "ml.m5.lrge"),
        (("3", "--input", ""), "belong to a transform"),
        (("3", "--content-type", "text/csv"), "belong to a transform"),
        (("3", "--mode", "transform"), "a transform needs titles"),
        (("3", "--mode", "transform", "--input", "./titles"), "--input: found ./titles"),
        (("3", "--mode", "transform", "--input", "titles", "--content-type", "a"), "--content-type: found a"),
    ],
    "image": [
        (("--minutes", "0"), "Invalid value"),
        (("--build-arg", "PYTHON"), "--build-arg"),
        (("--checkout", "missing"), "missing is not a checkout of jobmajor"),
    ],
    "invoke": [
        ((), "no title was given"),
        (("--input", "missing.txt"), "missing.txt can't be read"),
        (("--input", "."), "can't be read"),
        (("--input", "bytes"), "expected UTF-8 text"),
        (("--input", "empty"), "no title was given"),
        (("nurse", "--stage", "test"), "--stage: found test"),
    ],
    "models approve": [
        (("0",), "Invalid value"),
        (("x",), "Invalid value"),
        (("3", "--note", SURROGATE), "expected text that UTF-8 can encode"),
    ],
    "models list": [(("--most", "0"), "Invalid value"), (("--most", "9" * 20), "Invalid value")],
    "models reject": [(("-1",), "Invalid value"), (("3", "--note", SURROGATE), "expected text that UTF-8 can encode")],
    "models show": [((), "Missing argument"), (("0",), "Invalid value")],
    "monitor": [
        ((), "--against"),
        (("0",), "Invalid value"),
        (("--against", "missing.json"), "missing.json"),
        (("--against", "bytes"), "bytes"),
        (("--against", "empty", "--period", "soon"), "soon"),
        (("--remove", "--stage", "test"), "--stage: found test"),
    ],
    "pipeline list": [(("--most", "0"), "Invalid value"), (("--most", "9" * 20), "Invalid value")],
    "pipeline logs": [(("a b",), "'a b', expected an execution's id"), ((SURROGATE,), "'\\udcff', expected an")],
    "pipeline schedule": [
        (("--at", "now"), "'aws.schedule': found 'now'"),
        (("--at", SURROGATE), "aws.schedule"),
        (("--no-on-data",), "neither a schedule nor --on-data"),
    ],
    "pipeline start": [
        (("--minutes", "-1"), "Invalid value"),
        (("--parameter", "TestScoreThreshold"), "TestScoreThreshold"),
        (("--parameter", f"InputDataUrl=s3://b/{SURROGATE}"), "expected text that UTF-8 can encode"),
    ],
    "pipeline status": [(("--minutes", "-1"), "Invalid value"), (("",), "'', expected an execution's id")],
    "pipeline stop": [
        (("arn:aws:s3:::b",), "expected an execution's id"),
        ((SURROGATE,), "expected an execution's id"),
    ],
    "pipeline upsert": [(("now",), "now")],
    "policy": [
        (("--command", "nonsense"), "--command: found 'nonsense', expected one of"),
        (("--command", ""), "--command: found ''"),
        (("--command", SURROGATE), "--command: found"),
        (("--account", "12"), "'aws.account': found '12', expected 12 digits"),
    ],
    "prices refresh": [
        (("--region", SURROGATE), "such as us-east-1"),
        (("now",), "now"),
    ],
    "project catalog": [((), "--role"), (("--role", "me"), "me")],
    "project connect": [(("--minutes", "-1"), "Invalid value")],
    "project create": [
        ((), "the setting aws.github is empty"),
        (("--minutes", "-1"), "Invalid value"),
        (("--codecommit", "a b"), "repositoryName: found "),
        (("--codecommit", "titles", "--launch-role", "me"), "RoleARN: found "),
        (("--catalog", "--codecommit", "titles"), "--codecommit and --launch-role belong to our own template"),
    ],
    "project seed": [
        ((), "Missing argument"),
        (("missing",), "missing is not a clone of a repository"),
        (("clone", "--checkout", "missing"), "missing is not a checkout of jobmajor"),
        ((SURROGATE,), "is not a clone of a repository"),
    ],
    "rollback": [((), "--stage"), (("--stage", "test"), "--stage: found test")],
    "show": [
        (("--account", "12"), "'aws.account': found '12', expected 12 digits"),
        (("--account", SURROGATE), "aws.acc"),
    ],
    "upload": [
        (("--release", "27"), "27"),
        (("--release", SURROGATE), "expected"),
        (("--data", "missing"), "missing"),
        (("--data", "clone"), "clone"),
    ],
}
SETTINGS: dict[str, tuple[bytes | None, str]] = {
    "missing.toml": (None, "can't be read"),
    "broken.toml": (b"[aws\n", "is no TOML"),
    "bytes.toml": (b"\xff\xfe", "is no TOML"),
    "unknown.toml": (b"[aws]\nnonsense = 1\n", "'aws.nonsense': found 'an unknown key'"),
    "kind.toml": (b"[aws]\nregion = 1\n", "'aws.region': found 1"),
    "region.toml": (b'[aws]\nregion = "the moon"\n', "'aws.region': found 'the moon'"),
    "days.toml": (b"[aws]\nlog_days = -1\n", "'aws.log_days': found -1"),
    "account.toml": (b'[aws]\naccount = "12"\n', "'aws.account': found '12'"),
    "project.toml": (b'[names]\nproject = "A B"\n', "'names.project': found 'A B'"),
    "section.toml": (b"aws = 1\n", "'aws': found 1"),
}
ASKS_NOBODY = ("policy", "prices refresh", "project seed", "show")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `jobmajor aws …` in a folder with a clone, an empty file and a binary one; every request would fail."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(source.OFFLINE_VARIABLE, "1")
    monkeypatch.setenv("JOBMAJOR_HOME", "home")
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    def ran(command: str, *words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.main(["aws", *command.split(), *words])
        found = capsys.readouterr()
        return status, found.out, found.err

    return ran


def dry(command: str) -> tuple[str, ...]:
    """Return the option for a dry run; empty if the command has none."""
    options = {name for item in COMMANDS[command].params for name in item.opts}
    return ("--dry-run",) if "--dry-run" in options else ()


def is_refused(found: tuple[int, str, str], words: str) -> bool:
    """Return whether a command ended with status 2 and one line that contains `words`."""
    status, out, err = found
    return (status, out) == (2, "") and err.count("\n") == 1 and err.startswith("error: ") and words in err


def test_every_command_has_its_cases() -> None:
    assert set(WORDS) == set(WRONG) == set(COMMANDS)
    assert all(WRONG.values())


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_a_dry_run_without_credentials_or_a_network(run: Any, command: str) -> None:
    status, out, err = run(command, *WORDS[command], *dry(command))

    assert status == 0, err
    assert bool(dry(command)) == (command not in ("policy", "show"))  # which only print
    assert ("requests that would be sent: " in out) == (command not in ASKS_NOBODY)


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(ASKS_NOBODY)))
def test_every_dry_run_is_printed_as_json_too(run: Any, command: str) -> None:
    status, out, _ = run(command, *WORDS[command], "--dry-run", "--json")

    found = json.loads(out)
    assert status == 0
    assert set(found) == {"looks", "calls", "estimate"}
    assert [*found["looks"], *found["calls"]]


@pytest.mark.parametrize(
    ("command", "words", "said"), [(name, *case) for name, cases in sorted(WRONG.items()) for case in cases], ids=ascii
)
def test_wrong_word_is_refused_in_one_line(run: Any, command: str, words: tuple[str, ...], said: str) -> None:
    options = [word for word in words if word.startswith("--") or word == ""]
    negative = words and words[0].startswith("-") and not options  # a number where an argument is meant
    found = run(command, *dry(command), *(("--", *words) if negative else words))

    assert is_refused(found, said), found


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_settings_that_can_not_be_used_are_refused_in_one_line(run: Any, command: str) -> None:
    for name, (body, _) in SETTINGS.items():
        if body is not None:
            Path(name).write_bytes(body)

    found = {name: run(command, *WORDS[command], *dry(command), "--settings", name) for name in SETTINGS}

    local = {"project.toml"} if command in ("prices refresh", "project seed") else set()  # which name nothing there
    refused = {name for name, (_, said) in SETTINGS.items() if is_refused(found[name], said)}
    assert refused | local == set(SETTINGS), found


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_option_that_it_has_not_is_refused_in_one_line(run: Any, command: str) -> None:
    assert is_refused(run(command, *WORDS[command], "--nonsense"), "--nonsense")


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"project seed"}))
def test_region_that_is_none_is_refused_in_one_line(run: Any, command: str) -> None:
    for region in ("the moon", SURROGATE):
        assert is_refused(run(command, *WORDS[command], *dry(command), "--region", region), "such as us-east-1")


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(ASKS_NOBODY)))
def test_command_without_region_or_credentials_or_profile_is_one_line(run: Any, command: str) -> None:
    words = WORDS[command]

    assert is_refused(run(command, *words), "no region: name one with --region")
    assert is_refused(run(command, *words, "--region", "us-east-1"), "no usable credentials (none were found)")
    assert is_refused(run(command, *words, "--region", "us-east-1", "--profile", "nobody"), "nobody")


@pytest.fixture
def in_moto(moto: str, proxy: Proxy, run: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return `run` with credentials of moto's account, through the proxy, which records the requests."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return run  # type: ignore[no-any-return]


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(ASKS_NOBODY)))
def test_credentials_of_another_account_are_one_line_and_nothing_else_is_asked(
    in_moto: Any, proxy: Proxy, command: str
) -> None:
    Path("other.toml").write_text('[aws]\naccount = "000000000001"\n')

    found = in_moto(command, *WORDS[command], "--settings", "other.toml")

    assert is_refused(found, "belongs to 123456789012, expected 000000000001")
    assert len(proxy.seen) == 1


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        ("models show", ("3",), "there is no model package group"),
        ("models approve", ("3",), "there is no model package group"),
        ("models reject", ("3",), "there is no model package group"),
        ("deploy", ("3",), "there is no model package group"),
        ("batch", ("--input", "titles"), "there is no model package group"),
        ("pipeline start", (), "holds no image"),
        ("pipeline list", (), "there is no pipeline"),
        ("pipeline status", (), "there is no pipeline"),
        ("pipeline logs", ("abc",), "there is no execution"),
        ("pipeline stop", (), "there is no pipeline"),
        ("upload", ("--release", "starter"), "there is no bucket"),
    ],
)
def test_what_is_not_in_the_account_yet_is_one_line(
    in_moto: Any, command: str, words: tuple[str, ...], said: str
) -> None:
    status, out, err = in_moto(command, *words)

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err

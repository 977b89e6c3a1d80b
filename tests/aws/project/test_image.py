"""Building the image: by CodeBuild, which botocore's Stubber answers for, and with a program in Docker's place."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import ANY

from jobmajor import __version__
from jobmajor.aws.api.errors import AwsError, AwsInputError
from jobmajor.aws.executions import objects
from jobmajor.aws.project import image, sources
from jobmajor.cli.main import main
from jobmajor.errors import InputError

if TYPE_CHECKING:
    from tests.aws.conftest import Stubbed

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

ROOT = Path(__file__).resolve().parents[3]
DIGEST = "sha256:" + "a" * 64
SOURCES = sources.Sources({"Dockerfile": b"FROM x\n", "image/train": b"#!/bin/sh\n", "src/a.py": b"a = 1\n"}, {})
WHERE = f"test-job-major-clf-123456789012-us-east-1/job-major-clf/images/{SOURCES.tag}.zip"


# The sources


def test_tag_is_the_version_and_a_digest_of_sources_and_arguments() -> None:
    changed = dataclasses.replace(SOURCES, files={**SOURCES.files, "src/a.py": b"a = 2\n"})
    renamed = dataclasses.replace(SOURCES, files={"Dockerfile": b"FROM x\n", "src/a.py": b"#!/bin/sh\n"})
    argued = dataclasses.replace(SOURCES, arguments={"RUN_AS": "10001"})

    tags = {made.tag for made in (SOURCES, changed, renamed, argued)}

    assert len(tags) == 4
    assert all(tag.startswith(f"{__version__}-") and len(tag) == len(__version__) + 17 for tag in tags)
    assert dataclasses.replace(SOURCES, origin="elsewhere").tag == SOURCES.tag


def test_archive_of_equal_sources_has_equal_bytes_and_its_programs_can_run() -> None:
    first, second = (SOURCES.archive({"buildspec.yml": b"version: 0.2\n"}) for _ in range(2))

    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert archive.read("src/a.py") == b"a = 1\n"
    assert modes == {"Dockerfile": 0o644, "buildspec.yml": 0o644, "image/train": 0o755, "src/a.py": 0o644}


def test_sources_of_the_checkout_are_what_the_dockerfile_copies_and_nothing_that_was_made_of_them() -> None:
    found = sources.of_image()

    copied = [line.split()[1:-1] for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if "COPY" in line]
    wanted = {word for words in copied if "--from=build" not in words for word in words if not word.startswith("--")}
    assert [name for name in wanted - {"src"} if name not in found.files] == []
    assert found.files["src/jobmajor/cli/main.py"] == (ROOT / "src/jobmajor/cli/main.py").read_bytes()
    assert {name.rpartition(".")[2] for name in found.files} & {"so", "dylib", "dll", "pyc"} == set()
    assert found.origin == str(ROOT)


def test_folder_that_is_no_checkout_and_argument_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a checkout of jobmajor"):
        sources.of_image(tmp_path)
    with pytest.raises(InputError, match="expected NAME=VALUE"):
        sources.of_image(arguments={"RUN-AS": "0"})


# CodeBuild


def build(status: str = "SUCCEEDED", number: int = 1, location: str = WHERE, **more: Any) -> dict[str, Any]:
    found = {"id": f"x:{number}", "buildStatus": status, "source": {"type": "S3", "location": location}}
    return {**found, "currentPhase": "BUILD" if status == "IN_PROGRESS" else "COMPLETED", **more}


def no_image(stubbed: Stubbed) -> None:
    stubbed.refuse("ecr", "DescribeImages", "ImageNotFoundException", "The image does not exist.")


def one_image(stubbed: Stubbed) -> None:
    wanted = {"repositoryName": "test-job-major-clf", "imageIds": [{"imageTag": SOURCES.tag}]}
    stubbed.expect("ecr", "DescribeImages", {"imageDetails": [{"imageDigest": DIGEST}]}, **wanted)


def sent(stubbed: Stubbed) -> None:
    """Script an upload of the sources that finds them in the bucket."""
    spec = (ROOT / "src/jobmajor/aws/project" / image.BUILDSPEC).read_bytes()
    content = objects.Content.of(SOURCES.archive({image.BUILDSPEC: spec}))
    stubbed.expect("s3", "HeadBucket", {})
    head = {"ContentLength": content.record.size_bytes, "ChecksumSHA256": content.whole_sum}
    stubbed.expect("s3", "HeadObject", head)


def started(stubbed: Stubbed, number: int = 1) -> None:
    stubbed.expect(
        "codebuild",
        "StartBuild",
        {"build": build("IN_PROGRESS", number)},
        projectName="test-job-major-clf-image",
        sourceTypeOverride="S3",
        sourceLocationOverride=WHERE,
        environmentVariablesOverride=[{"name": "TAG", "value": SOURCES.tag}],
        idempotencyToken=ANY,
    )


def listed(stubbed: Stubbed, *builds: dict[str, Any]) -> None:
    wanted = {"projectName": "test-job-major-clf-image", "sortOrder": "DESCENDING"}
    answer = {"ids": [found["id"] for found in builds]} if builds else {}
    stubbed.expect("codebuild", "ListBuildsForProject", answer, **wanted)
    if builds:
        stubbed.expect("codebuild", "BatchGetBuilds", {"builds": [*builds]})


def test_sources_are_sent_built_and_the_image_is_known_by_its_digest(stubbed: Stubbed, names: Names) -> None:
    no_image(stubbed)
    sent(stubbed)
    listed(stubbed)
    started(stubbed)
    for status in ("IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED"):
        stubbed.expect("codebuild", "BatchGetBuilds", {"builds": [build(status)]}, ids=["x:1"])
    one_image(stubbed)
    lines: list[str] = []
    stubbed.tell = lines.append

    made = image.build(stubbed, names, SOURCES)

    assert made == image.Image(f"{names.image_repository}@{DIGEST}", SOURCES.tag, "built")
    assert lines == ["build x:1: BUILD"]


def test_image_of_the_same_sources_is_not_built_again(stubbed: Stubbed, names: Names) -> None:
    one_image(stubbed)

    assert image.build(stubbed, names, SOURCES).change == "unchanged"
    assert stubbed.sent == []


def test_build_that_an_interrupted_run_began_is_waited_for(stubbed: Stubbed, names: Names) -> None:
    no_image(stubbed)
    sent(stubbed)
    listed(stubbed, build("IN_PROGRESS", 3, "elsewhere"), build("IN_PROGRESS", 2), build("FAILED", 1))
    stubbed.expect("codebuild", "BatchGetBuilds", {"builds": [build(number=2)]}, ids=["x:2"])
    one_image(stubbed)

    assert image.build(stubbed, names, SOURCES).change == "built"
    assert stubbed.sent == []


def test_failed_build_says_why_and_where_its_log_is_and_the_next_one_is_another(stubbed: Stubbed, names: Names) -> None:
    contexts = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": "Error while executing command: docker build."}]
    phases = [{"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED"}]
    phases += [{"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": contexts}]  # type: ignore[dict-item]
    for before in ([], [build("FAILED")]):
        no_image(stubbed)
        sent(stubbed)
        listed(stubbed, *before)
        started(stubbed)
        failed = build("FAILED", phases=phases, logs={"deepLink": "https://logs"})
        stubbed.expect("codebuild", "BatchGetBuilds", {"builds": [failed]})

    for _ in range(2):
        with pytest.raises(
            image.BuildFailed, match=r"BUILD FAILED: Error while .* docker build; its log: https://logs"
        ):
            image.build(stubbed, names, SOURCES)

    assert len({call.parameters["idempotencyToken"] for call in stubbed.sent}) == 2


def test_account_without_the_stack_is_told_to_bootstrap(stubbed: Stubbed, names: Names) -> None:
    stubbed.refuse("ecr", "DescribeImages", "RepositoryNotFoundException", "The repository does not exist.")
    with pytest.raises(AwsInputError, match="no image repository test-job-major-clf: run `jobmajor aws bootstrap`"):
        image.build(stubbed, names, SOURCES)

    no_image(stubbed)
    sent(stubbed)
    stubbed.refuse("codebuild", "ListBuildsForProject", "ResourceNotFoundException", "Project does not exist.")
    with pytest.raises(AwsInputError, match="no project test-job-major-clf-image: run `jobmajor aws bootstrap`"):
        image.build(stubbed, names, SOURCES)


def test_argument_that_a_shell_would_part_is_refused(dry_account: Account, names: Names) -> None:
    with pytest.raises(InputError, match="RUN_AS=0 x: expected a value without spaces"):
        image.build(dry_account, names, dataclasses.replace(SOURCES, arguments={"RUN_AS": "0 x"}))


def test_build_s_commands_build_and_push_the_tag_of_the_request() -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    spec = yaml.safe_load((ROOT / "src/jobmajor/aws/project" / image.BUILDSPEC).read_text("utf-8"))

    login, made, push = spec["phases"]["build"]["commands"]

    assert login.startswith("aws ecr get-login-password | docker login")
    assert made.split()[1:] == [*["docker", "build"], *image.PLATFORM, "$ARGUMENTS", "--tag", '"$REPOSITORY:$TAG"', "."]
    assert push == 'docker push "$REPOSITORY:$TAG"'


def test_stack_s_build_reads_the_sources_and_has_the_name_that_is_started(template: Any, names: Names) -> None:
    (made,) = template.resources("AWS::CodeBuild::Project").values()

    assert made["Name"] == {"Fn::Sub": "${Project}-image"}
    assert names.image_build == f"{names.project}-image"
    assert made["Source"] == {"Type": "S3", "Location": {"Fn::Sub": "${BucketName}/${Prefix}/images/"}}
    assert {item["Name"] for item in made["Environment"]["EnvironmentVariables"]} == {"REPOSITORY"}
    assert made["Environment"]["PrivilegedMode"] is True


# Docker, as a program that remembers what it was asked


DOCKER = """#!/bin/sh
echo "$*" >> "$ASKED"
case "$1" in
login) cat >> "$ASKED.password" ;;
build) for folder; do :; done; cp "$folder/src/a.py" "$ASKED.source" ;;
push) exit "${PUSHES:-0}" ;;
esac
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER, "ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    return tmp_path / "asked"


def signs_in(stubbed: Stubbed) -> None:
    no_image(stubbed)
    given = base64.b64encode(b"AWS:secret").decode()
    stubbed.expect("ecr", "GetAuthorizationToken", {"authorizationData": [{"authorizationToken": given}]})


def test_docker_signs_in_builds_and_pushes_and_its_password_is_no_argument(
    stubbed: Stubbed, names: Names, asked: Path, tmp_path: Path
) -> None:
    signs_in(stubbed)
    one_image(stubbed)

    made = image.build_here(stubbed, names, SOURCES, tmp_path / "folder")

    assert made.change == "built"
    said = asked.read_text("utf-8").splitlines()
    wanted = [" ".join(words[1:]) for words in image.commands(names, SOURCES, str(tmp_path / "folder"))]
    assert said == wanted
    assert "secret" not in asked.read_text("utf-8")
    assert asked.with_name("asked.password").read_text("utf-8") == "secret"
    assert asked.with_name("asked.source").read_bytes() == SOURCES.files["src/a.py"]


def test_push_that_fails_and_machine_without_docker_are_one_line(
    stubbed: Stubbed, names: Names, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHES", "7")
    signs_in(stubbed)
    with pytest.raises(AwsError, match="`docker push` ended with status 7"):
        image.build_here(stubbed, names, SOURCES, tmp_path / "one")

    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    signs_in(stubbed)
    with pytest.raises(InputError, match="docker was not found: leave out --docker"):
        image.build_here(stubbed, names, SOURCES, tmp_path / "two")


@pytest.mark.parametrize(("way", "operations"), [([], ["PutObject", "StartBuild"]), (["--docker"], [])])
def test_dry_run_prints_the_build_without_an_account(
    way: list[str],
    operations: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["aws", "image", "--dry-run", "--json", *way]) == 0
    assert [call["operation"] for call in json.loads(capsys.readouterr().out)["calls"]] == operations
    assert main(["aws", "image", "--dry-run", "--build-arg", "RUN_AS=10001", *way]) == 0

    printed = capsys.readouterr().out
    assert sources.of_image(arguments={"RUN_AS": "10001"}).tag in printed
    assert "--build-arg RUN_AS=10001" in printed

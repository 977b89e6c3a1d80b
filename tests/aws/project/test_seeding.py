"""Seeding a real git repository, and running the commands of its build."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor import settings
from jobmajor.aws.names import Names
from jobmajor.aws.project import build, seeding
from jobmajor.errors import InputError
from jobmajor.pipeline import definition
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account

yaml = pytest.importorskip("yaml", reason="needs PyYAML")
REGION, ACCOUNT_ID = "us-east-1", "123456789012"
ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = {
    "README.md": "## Layout of the SageMaker ModelBuild Project Template\n",
    "codebuild-buildspec.yml": "version: 0.2\n",
    "pipelines/__init__.py": "",
    "pipelines/run_pipeline.py": "import abalone\n",
    "pipelines/abalone/__init__.py": "",
    "pipelines/abalone/pipeline.py": "def get_pipeline(): ...\n",
    "setup.py": "import setuptools\n",
    "tests/test_pipelines.py": "import pytest\n",
}
DIGEST = "sha256:" + "a" * 64
LIMIT_S = 300


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)  # noqa: S607 - git is found by PATH
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone of the repository that SageMaker's template creates."""
    folder = tmp_path / "clone"
    for name, text in EXAMPLE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "State")


def test_our_pipeline_stands_in_the_place_of_the_example_and_the_rest_stays(clone: Path) -> None:
    done = seeding.seed(clone, Settings())

    assert "pipelines/abalone" in done.removed
    assert not (clone / "setup.py").exists()
    assert (clone / "README.md").read_text("utf-8") == EXAMPLE["README.md"]
    for name in ("pipelines/jobmajorclf/pipeline.py", ".github/workflows/jobmajor.yml", "vendor/jobmajor/Dockerfile"):
        assert name in done.written
    assert "abalone" not in git(clone, "grep", "--untracked", "--files-with-matches", "-e", "", "--", "pipelines")


def test_vendored_sources_are_those_that_run_and_nothing_that_was_made_of_them(clone: Path) -> None:
    seeding.seed(clone, Settings())

    vendored = clone / seeding.VENDOR
    names = {path.relative_to(vendored).as_posix() for path in vendored.rglob("*") if path.is_file()}
    assert (vendored / "src/jobmajor/cli/main.py").read_bytes() == (ROOT / "src/jobmajor/cli/main.py").read_bytes()
    assert os.access(vendored / "image/train", os.X_OK)
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []


def test_seeding_again_changes_nothing_and_keeps_the_user_s_settings(clone: Path) -> None:
    seeding.seed(clone, Settings())
    (clone / "jobmajor.toml").write_text('[names]\nproject = "mine"\n', "utf-8")
    commit(clone)

    done = seeding.seed(clone, Settings())

    assert (done.written, done.removed, done.kept) == ((), (), ("jobmajor.toml",))
    assert git(clone, "status", "--porcelain").splitlines() in ([], [f" M {seeding.RECORD}"])
    assert settings.read(clone / "jobmajor.toml").names.project == "mine"


def test_file_that_somebody_changed_is_refused_before_anything_is_written(clone: Path) -> None:
    seeding.seed(clone, Settings())
    changed = clone / "pipelines/jobmajorclf/pipeline.py"
    changed.write_text("mine = 1\n", "utf-8")
    (clone / "scripts/image.sh").unlink()

    with pytest.raises(InputError, match="has content that no seeding wrote"):
        seeding.seed(clone, Settings())

    assert not (clone / "scripts/image.sh").exists()
    assert "pipelines/jobmajorclf/pipeline.py" in seeding.seed(clone, Settings(), force=True).written


def test_file_that_an_earlier_version_left_goes(clone: Path) -> None:
    seeding.seed(clone, Settings())
    record = clone / seeding.RECORD
    (clone / "scripts/old.sh").write_text("old\n", "utf-8")
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), "scripts/old.sh": "0"}), "utf-8")

    assert seeding.seed(clone, Settings()).removed == ("scripts/old.sh",)


@pytest.mark.parametrize("name", ["../outside", "/etc/hosts"])
def test_record_can_not_make_us_remove_what_is_outside(clone: Path, name: str) -> None:
    (clone.parent / "outside").write_text("mine", "utf-8")
    (clone / seeding.RECORD).write_text(json.dumps({name: "0"}), "utf-8")

    assert name not in seeding.seed(clone, Settings()).removed
    assert (clone.parent / "outside").exists()


def test_folder_that_is_no_clone_and_checkout_that_is_none_are_refused(clone: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a clone"):
        seeding.seed(tmp_path, Settings())
    with pytest.raises(InputError, match="not a checkout of jobmajor"):
        seeding.seed(clone, Settings(), tmp_path)

    assert git(clone, "status", "--porcelain") == ""


def test_settings_are_written_down_so_that_they_are_read_back(clone: Path) -> None:
    seeding.seed(clone, Settings())

    assert settings.read(clone / "jobmajor.toml") == Settings()


# Its build


def commands(folder: Path, phase: str) -> list[str]:
    body = yaml.safe_load((folder / "codebuild-buildspec.yml").read_text("utf-8"))
    found: list[str] = body["phases"][phase]["commands"]
    return found


def shell(folder: Path, words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run one phase's commands in one shell, as CodeBuild does; `more` is added to the environment."""
    said = {**os.environ, "PATH": f"{folder.parent / 'bin'}:/usr/bin:/bin", "JOBMAJOR_OFFLINE": "1", **more}
    return subprocess.run(
        ["/bin/bash", "-c", "\n".join(["set -e", *words])],
        cwd=folder,
        env=said,
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


@pytest.fixture
def seeded(clone: Path) -> Path:
    """Return a clone that contains our pipeline, with this Python in place of the build's environment."""
    seeding.seed(clone, Settings())
    python = clone / ".venv-build/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', "ascii")
    python.chmod(0o755)
    return clone


def test_every_install_of_the_build_is_by_hash_or_of_the_vendored_sources(seeded: Path) -> None:
    workflow = yaml.safe_load((seeded / ".github/workflows/jobmajor.yml").read_text("utf-8"))
    ran = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]

    vendored = "--no-build-isolation ./vendor/jobmajor/packages/sagelocal ./vendor/jobmajor"
    installs = [line for line in (*commands(seeded, "install"), *ran) if "pip install" in line]
    assert len(installs) == 6
    for line in installs:
        assert "--require-hashes" in line or line.endswith(vendored)
        if "--requirement" in line:
            assert (seeded / line.split()[-1]).is_file()


def test_workflow_asks_for_a_token_only_where_it_signs_in_and_runs_the_same_tests(seeded: Path) -> None:
    workflow = yaml.safe_load((seeded / ".github/workflows/jobmajor.yml").read_text("utf-8"))
    jobs = workflow["jobs"]

    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in jobs["test"]
    assert jobs["pipeline"]["permissions"]["id-token"] == "write"
    assert jobs["pipeline"]["needs"] == "test"
    words = [line.partition(" -m ")[2] for line in commands(seeded, "pre_build")]
    ran = {step.get("run", "").partition(" -m ")[2] for step in jobs["test"]["steps"]}
    assert set(words) <= ran


def test_workflow_runs_on_pushes_to_the_branch_of_the_settings(clone: Path) -> None:
    seeding.seed(clone, settings.build(Settings, {"aws": {"branch": "release/2.0"}}))

    workflow = yaml.safe_load((clone / ".github/workflows/jobmajor.yml").read_text("utf-8"))
    assert workflow[True]["push"]["branches"] == ["release/2.0"]  # YAML 1.1 reads `on` as true


def test_actions_are_pinned_by_commit(seeded: Path) -> None:
    ours = Path(__file__).parents[3] / ".github" / "workflows"
    for path in (seeded / ".github/workflows/jobmajor.yml", *ours.glob("*.yml")):
        used = re.findall(r"uses: (.*)", path.read_text("utf-8"))
        assert used
        assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} +# v\d+(\.\d+)*", line)] == []


@pytest.mark.slow
def test_build_s_tests_pass_and_leave_the_definition(seeded: Path) -> None:
    done = shell(seeded, commands(seeded, "pre_build"))

    assert done.returncode == 0, done.stderr
    assert (seeded / "definition.json").read_bytes() == definition.to_bytes(Settings())


@pytest.mark.slow
def test_build_s_tests_fail_on_settings_that_make_no_pipeline(seeded: Path) -> None:
    (seeded / "jobmajor.toml").write_text('[jobs]\nsubnets = ["subnet-1"]\n', "utf-8")

    done = shell(seeded, commands(seeded, "pre_build"))

    assert done.returncode != 0
    assert "jobs.security_groups" in done.stderr


# A repository and a Docker engine that remember what they were asked: the build's own programs of those names.
AWS = """#!/bin/sh
echo "aws $*" >> "$ASKED"
case "$*" in
*describe-images*) test -e "$ASKED.pushed" && echo DIGEST ;;
*) echo password ;;
esac
"""
DOCKER = """#!/bin/sh
echo "docker $*" >> "$ASKED"
case "$1" in push) : > "$ASKED.pushed" ;; esac
"""


@pytest.fixture
def asked(seeded: Path) -> Path:
    folder = seeded.parent / "bin"
    folder.mkdir()
    for name, text in (("aws", AWS.replace("DIGEST", DIGEST)), ("docker", DOCKER)):
        (folder / name).write_text(text, "ascii")
        (folder / name).chmod(0o755)
    return seeded.parent / "asked"


def test_image_is_built_and_pushed_once_for_a_commit_and_known_by_its_digest(seeded: Path, asked: Path) -> None:
    words = ["sh scripts/image.sh 123456789012.dkr.ecr.us-east-1.amazonaws.com/titles abc"]

    first, second = (shell(seeded, words, ASKED=str(asked)) for _ in range(2))

    address = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/titles@{DIGEST}\n"
    assert [first.stdout, second.stdout] == [address, address]
    lines = asked.read_text("utf-8").splitlines()
    assert [line.split()[1] for line in lines if line.startswith("docker")] == ["login", "build", "push"]
    assert "imageTag=abc" in lines[0]


def test_push_that_left_nothing_fails_the_build(seeded: Path, asked: Path) -> None:
    (seeded.parent / "bin/docker").write_text("#!/bin/sh\n", "ascii")

    done = shell(seeded, ["sh scripts/image.sh r.example.org/titles abc"], ASKED=str(asked))

    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.slow
def test_build_sends_the_definition_and_starts_it_on_the_image_s_digest(
    seeded: Path, asked: Path, account: Account, moto: str
) -> None:
    names = Names.of(Settings(), REGION, ACCOUNT_ID)
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    data = names.key("input", "abc", "Alternate Titles.txt")
    account.change("s3", "PutObject", Bucket=names.bucket, Key=data, Body=b"x")
    account.change("s3", "PutObject", Bucket=names.bucket, Key=names.key("input", "abc", "manifest.json"), Body=b"{}")
    told = {
        "ASKED": str(asked),
        "AWS_ENDPOINT_URL": moto,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "CODEBUILD_RESOLVED_SOURCE_VERSION": "abc",
        "SAGEMAKER_PROJECT_NAME": "titles",
        "SAGEMAKER_PROJECT_ID": "p-1",
    }

    done = shell(seeded, commands(seeded, "build"), **told)

    assert done.returncode == 0, done.stderr
    sent = account.read("sagemaker", "DescribePipeline", PipelineName=names.pipeline)
    assert sent["PipelineDefinition"].encode() == definition.to_bytes(Settings())
    assert sent["RoleArn"] == names.roles["pipeline"]
    tags = account.read("sagemaker", "ListTags", ResourceArn=sent["PipelineArn"])["Tags"]
    assert {"Key": "sagemaker:project-id", "Value": "p-1"} in tags
    assert "Execution started" in done.stdout


def test_run_s_options_say_role_tags_and_the_image_with_its_digest() -> None:
    names = Names.of(Settings(), REGION, ACCOUNT_ID)
    told = {"IMAGE": f"r/i@{DIGEST}", "SAGEMAKER_PIPELINE_ROLE_ARN": "arn:own", "SAGEMAKER_PROJECT_NAME": "p"}

    found = options(build.arguments(names, told))

    assert found["--role-arn"] == "arn:own"
    assert json.loads(found["--tags"]) == [{"Key": "sagemaker:project-name", "Value": "p"}]
    assert json.loads(found["--kwargs"]) == {"region": REGION, "image_uri": told["IMAGE"]}


def options(words: list[str]) -> dict[str, Any]:
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize("image", ["", "r/i:latest"])
def test_image_without_a_digest_is_refused(image: str) -> None:
    with pytest.raises(InputError, match="with its digest"):
        build.arguments(Names.of(Settings(), REGION, ACCOUNT_ID), {"IMAGE": image})

"""Build the image from jobmajor's sources and push it: on AWS by CodeBuild, or here with Docker.

The tag follows from the sources, and the repository's tags can't be moved. So a repeated command finds the image, and
an image never changes under a pipeline that names it.
"""

from __future__ import annotations

import base64
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import token
from jobmajor.aws.api.errors import AwsError, AwsInputError, NotFound
from jobmajor.aws.executions import objects, upload
from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.aws.project.sources import Sources

BUILT, UNCHANGED = "built", "unchanged"
LIMIT_S: Final = 3600.0  # the build project stops a build after an hour
BUILDSPEC: Final = "buildspec.yml"
PLATFORM: Final = ("--platform", "linux/amd64", "--provenance=false")  # SageMaker takes a manifest of one platform
_RUNNING: Final = "IN_PROGRESS"


class BuildFailed(AwsError):
    """CodeBuild could not build or push the image; `reason` is CodeBuild's, `logs` the log's address."""

    def __init__(self, build: str, status: str, reason: str, logs: str) -> None:
        self.build, self.status, self.reason, self.logs = build, status, reason, logs
        where = f"; its log: {logs}" if logs else ""
        super().__init__(
            f"build {build} is {status}: {reason.rstrip('.') or 'no reason was given'}{where}; fix that, then run the "
            "same command again, or build here with --docker"
        )


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the repository.

    Attributes:
        address: The repository and the digest, as the pipeline's parameter ImageUri takes it.
        tag: The tag, which nobody can move.
        change: `built` or `unchanged`.
    """

    address: str
    tag: str
    change: str


def find(account: Account, names: Names, tag: str) -> str | None:
    """Return the address of the image with this tag; None if there is none.

    Raises:
        AwsInputError: There is no repository.
    """
    wanted = {"repositoryName": names.repository, "imageIds": [{"imageTag": tag}]}
    try:
        found = account.read("ecr", "DescribeImages", **wanted)
    except NotFound as error:
        if error.code.startswith("Repository"):
            raise AwsInputError(
                f"there is no image repository {names.repository}: run `jobmajor aws bootstrap` first"
            ) from error
        return None
    if account.dry:
        return None
    return f"{names.image_repository}@{found['imageDetails'][0]['imageDigest']}"


def build(account: Account, names: Names, sources: Sources, *, limit_s: float = LIMIT_S) -> Image:
    """Build the image by CodeBuild unless it is there, and wait until it is pushed.

    Call it again after an interruption: a build of the same sources that still runs is waited for.

    Raises:
        AwsInputError: There is no repository or no build project. BuildFailed: See the class.
        TimedOut: The build still runs; call it again to wait longer.
    """
    if there := find(account, names, sources.tag):
        return Image(there, sources.tag, UNCHANGED)
    upload.require_bucket(account, names.bucket)
    key = names.key("images", f"{sources.tag}.zip")
    spec = files("jobmajor.aws.project").joinpath(BUILDSPEC).read_bytes()
    objects.put(account, names.bucket, key, objects.Content.of(sources.archive({BUILDSPEC: spec})))
    begun = _begin(account, names, sources, f"{names.bucket}/{key}")
    if account.dry:
        return Image(f"{names.image_repository}@<ImageDigest>", sources.tag, BUILT)
    done = account.wait(
        lambda: account.read("codebuild", "BatchGetBuilds", ids=[begun])["builds"][0],
        lambda found: found["buildStatus"] != _RUNNING,
        describe=lambda found: f"build {begun}: {found.get('currentPhase', _RUNNING)}",
        limit_s=limit_s,
    )
    if done["buildStatus"] != "SUCCEEDED":
        raise BuildFailed(begun, done["buildStatus"], _reason(done), done.get("logs", {}).get("deepLink", ""))
    return _pushed(account, names, sources.tag)


def _begin(account: Account, names: Names, sources: Sources, location: str) -> str:
    """Start a build of these sources, or find the one that runs, and return its id."""
    try:
        newest = account.read(
            "codebuild", "ListBuildsForProject", projectName=names.image_build, sortOrder="DESCENDING"
        )
    except NotFound as error:
        raise AwsInputError(
            f"CodeBuild has no project {names.image_build}: run `jobmajor aws bootstrap` first, which makes it"
        ) from error
    ids = [] if account.dry else newest.get("ids", [])[:10]
    for found in account.read("codebuild", "BatchGetBuilds", ids=ids)["builds"] if ids else ():
        if found["buildStatus"] == _RUNNING and found["source"].get("location") == location:
            account.tell(f"build {found['id']} of the same sources runs already: waiting for it")
            return str(found["id"])
    options = shlex.join(_arguments(sources))
    variables = {"TAG": sources.tag, **({"ARGUMENTS": options} if options else {})}
    started = account.change(
        "codebuild",
        "StartBuild",
        projectName=names.image_build,
        sourceTypeOverride="S3",
        sourceLocationOverride=location,
        environmentVariablesOverride=[{"name": name, "value": value} for name, value in variables.items()],
        idempotencyToken=token("image", location, *ids[:1]),  # a retry after a failed build is another build
    )
    return str(started["build"]["id"]) if not account.dry else ""


def _arguments(sources: Sources) -> list[str]:
    """Return the build arguments as Docker's options.

    Raises:
        InputError: One holds white space or quotes, which the build's shell would part.
    """
    for name, value in sources.arguments.items():
        if shlex.quote(value) != value:
            raise InputError(f"--build-arg {name}={value}: expected a value without spaces and quotes")
    return [word for name, value in sources.arguments.items() for word in ("--build-arg", f"{name}={value}")]


def _reason(done: Mapping[str, Any]) -> str:
    """Return what CodeBuild says of the first phase that failed."""
    for phase in done.get("phases", ()):
        if phase.get("phaseStatus", "SUCCEEDED") != "SUCCEEDED":
            said = "; ".join(item["message"] for item in phase.get("contexts", ()) if item.get("message"))
            return f"{phase['phaseType']} {phase['phaseStatus']}: {said or 'no reason was given'}"
    return ""


def _pushed(account: Account, names: Names, tag: str) -> Image:
    address = find(account, names, tag)
    if address is None:
        raise AwsError(f"{names.image_repository} has no image {tag} after its build: see the output of its push")
    return Image(address, tag, BUILT)


# With Docker, on this machine


def commands(names: Names, sources: Sources, folder: str) -> list[list[str]]:
    """Return the commands that sign in, build and push; the first reads the password from standard input."""
    image = f"{names.image_repository}:{sources.tag}"
    registry = names.image_repository.partition("/")[0]
    return [
        ["docker", "login", "--username", "AWS", "--password-stdin", registry],
        ["docker", "build", *PLATFORM, *_arguments(sources), "--tag", image, folder],
        ["docker", "push", image],
    ]


def build_here(account: Account, names: Names, sources: Sources, folder: Path) -> Image:
    """Build the image with this machine's Docker unless it is there, and push it.

    Args:
        account: The account.
        names: The project's names.
        sources: What the image is built from.
        folder: An empty folder for the sources.

    Raises:
        InputError: There is no Docker. AwsInputError: There is no repository. AwsError: Docker failed.
    """
    if there := find(account, names, sources.tag):
        return Image(there, sources.tag, UNCHANGED)
    given = account.read("ecr", "GetAuthorizationToken")
    words = commands(names, sources, str(folder))
    if account.dry:
        return Image(f"{names.image_repository}@<ImageDigest>", sources.tag, BUILT)
    docker = shutil.which("docker")
    if docker is None:
        raise InputError("docker was not found: leave out --docker, and CodeBuild builds the image")
    for name, data in sources.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    encoded = given["authorizationData"][0]["authorizationToken"]
    password = base64.b64decode(encoded).partition(b":")[2]
    for command, said in zip(words, (password, b"", b""), strict=True):
        _run([docker, *command[1:]], said)
    return _pushed(account, names, sources.tag)


def _run(command: Sequence[str], said: bytes) -> None:
    """Run Docker; what it prints goes to standard error, since the result goes to standard output."""
    done = subprocess.run(command, input=said, stdout=2, check=False)
    if done.returncode:
        raise AwsError(
            f"`docker {command[1]}` ended with status {done.returncode}: its output above says why; without --docker, "
            "CodeBuild builds the image"
        )

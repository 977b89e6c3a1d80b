"""What a build of a seeded repository does with the pipeline, by what its surroundings tell it.

CodeBuild and GitHub differ in how they sign in and in nothing else: roles, names and the image's repository come from
the settings and the account, and what a SageMaker project adds comes from the variables that its template sets.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Final

from jobmajor import settings
from jobmajor.aws.project import build_template
from jobmajor.errors import Error, InputError
from sagelocal.show.terminal import complain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.aws.names import Names

IMAGE: Final = "IMAGE"
_ROLE: Final = "SAGEMAKER_PIPELINE_ROLE_ARN"
_TAGS: Final = {
    "sagemaker:project-name": "SAGEMAKER_PROJECT_NAME",
    "sagemaker:project-id": "SAGEMAKER_PROJECT_ID",
}


def main(module: str, words: Sequence[str]) -> int:
    """`definition`, `repository` or `run`; the exit status.

    Args:
        module: The pipeline's, as the build template names it.
        words: The command, and for `definition` and `run` more options of the build template's own programs.
    """
    parser = argparse.ArgumentParser(prog=f"python3 -m {module}", description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=("definition", "repository", "run"))
    given, rest = parser.parse_known_args(words)
    if given.command == "definition":
        return build_template.definition(["--module-name", module, *rest])
    try:
        names = _names()
        if given.command == "repository":
            sys.stdout.write(f"{names.image_repository}\n")
            return 0
        return build_template.run(["--module-name", module, *arguments(names, os.environ), *rest])
    except Error as error:
        return complain(str(error), 2 if isinstance(error, InputError) else 1)


def arguments(names: Names, told: Mapping[str, str]) -> list[str]:
    """The options of `run-pipeline`.

    Args:
        names: The account's.
        told: The environment: IMAGE, with its digest; a SageMaker project's variables where there is one.

    Raises:
        InputError: No image was named, or one without a digest, which could be another one tomorrow.
    """
    image = told.get(IMAGE, "")
    if "@sha256:" not in image:
        raise InputError(
            f"{IMAGE} is {image!r}: expected an image's address with its digest, as scripts/image.sh prints"
        )
    kwargs = {"region": names.region, "image_uri": image}
    tags = [{"Key": key, "Value": told[name]} for key, name in _TAGS.items() if told.get(name)]
    role = told.get(_ROLE) or names.roles["pipeline"]
    return ["--role-arn", role, "--tags", json.dumps(tags), "--kwargs", json.dumps(kwargs)]


def _names() -> Names:
    from jobmajor.aws.api.account import connect  # noqa: PLC0415 - brings in botocore
    from jobmajor.aws.names import Names  # noqa: PLC0415 - as above

    chosen = settings.read()
    account = connect(chosen.aws.region or None, expected_account=chosen.aws.account or None)
    return Names.of(chosen, account.region, account.account_id)

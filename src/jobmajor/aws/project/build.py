"""The program that a seeded repository's build runs: print the definition or the image repository, or run the pipeline.

CodeBuild and GitHub differ only in how they sign in. Roles, names and the image repository come from the settings and
the account; a SageMaker project's tags come from the variables that its template sets.
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
    """Run the command `definition`, `repository` or `run`, and return the exit status.

    Args:
        module: The pipeline's module, as the build template names it.
        words: The command; `definition` and `run` also take the options of the build template's programs.
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
    """Return the options for `run-pipeline`.

    Args:
        names: The names in the account.
        told: The environment: IMAGE, with its digest, and a SageMaker project's variables, if any.

    Raises:
        InputError: IMAGE is missing, or has no digest, so it could change.
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

"""Write the policies of the templates' roles, and those that `jobmajor aws policy` prints, to one JSON file each.

The linter parliament reads these files, because it can't read CloudFormation: python tools/stack_policies.py FOLDER
TEMPLATE…
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from cfnlint.decode import cfn_yaml

from jobmajor.aws import policy
from jobmajor.aws.names import Names
from jobmajor.settings import Settings

_ACCOUNT: Final = "123456789012"
_VALUES: Final = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": _ACCOUNT,
    "Project": "project",
    "Pipeline": "project-pipeline",
    "Group": "project-model-group",
    "Bucket": "bucket",
    "BucketName": "bucket",
    "Prefix": "prefix",
    "CodeCommitRepository": "titles",
    "Id": "00000000-0000-0000-0000-000000000000",
    "JobRoleArn": f"arn:aws:iam::{_ACCOUNT}:role/job",
    "JobRole": f"arn:aws:iam::{_ACCOUNT}:role/job",
    "Build": f"arn:aws:codebuild:us-east-1:{_ACCOUNT}:project/project-build",
    "Starter": f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:project-starter",
    "Logs": f"arn:aws:logs:us-east-1:{_ACCOUNT}:log-group:/aws/lambda/project-starter:*",
    "Key": f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/00000000-0000-0000-0000-000000000000",
    "PipelineRole": f"arn:aws:iam::{_ACCOUNT}:role/pipeline",
    "Repository": f"arn:aws:ecr:us-east-1:{_ACCOUNT}:repository/project",
}


def plain(value: Any) -> Any:
    """Return a part of a template with CloudFormation's functions replaced by values; Fn::If takes its last branch."""
    match value:
        case list():
            return [plain(item) for item in value]
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: _VALUES[found[1]], text)
        case {"Fn::GetAtt": [name, *_]} | {"Ref": name}:
            return _VALUES[name]
        case {"Fn::If": [*_, last]}:
            return plain(last)
        case dict():
            return {key: plain(item) for key, item in value.items()}
    return value


def documents(resource: dict[str, Any]) -> list[Any]:
    """Return the policies of a role or of a policy resource; none for other resources."""
    found = resource["Properties"]
    if resource["Type"] == "AWS::IAM::Policy":
        return [found["PolicyDocument"]]
    return [policy["PolicyDocument"] for policy in found.get("Policies", ())]


def main(folder: Path, templates: list[Path]) -> None:
    """Write `TEMPLATE-ROLE-NUMBER.json` for each policy of a role, and `command-NAME.json` for each command."""
    folder.mkdir(parents=True, exist_ok=True)
    for template in templates:
        resources = json.loads(json.dumps(cfn_yaml.loads(template.read_text("utf-8"))))["Resources"]
        for name, resource in resources.items():
            for number, document in enumerate(documents(resource)):
                write(folder / f"{template.stem}-{name}-{number}.json", plain(document))
    names = Names.of(Settings(), "us-east-1", _ACCOUNT)
    for command in policy.commands():
        write(folder / f"command-{command.replace(' ', '-')}.json", policy.document(names, [command]))


def write(path: Path, document: Any) -> None:
    """Write a policy document as JSON."""
    path.write_text(json.dumps(document, indent=1), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])

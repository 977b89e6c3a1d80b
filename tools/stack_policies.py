"""The policies of the stack's roles as JSON, a file each, for parliament, which reads no CloudFormation.

python tools/stack_policies.py src/jobmajor/aws/stack.yaml FOLDER
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from cfnlint.decode import cfn_yaml

_ACCOUNT: Final = "123456789012"
_VALUES: Final = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": _ACCOUNT,
    "Project": "project",
    "BucketName": "bucket",
    "Prefix": "prefix",
    "CodeCommitRepository": "titles",
    "Id": "00000000-0000-0000-0000-000000000000",
    "JobRole": f"arn:aws:iam::{_ACCOUNT}:role/job",
    "Key": f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/00000000-0000-0000-0000-000000000000",
    "PipelineRole": f"arn:aws:iam::{_ACCOUNT}:role/pipeline",
    "Repository": f"arn:aws:ecr:us-east-1:{_ACCOUNT}:repository/project",
}


def plain(value: Any) -> Any:
    """With values in place of CloudFormation's functions; a choice takes its last branch, the stack's own things."""
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
    """The policies that a role or a policy resource has; of others none."""
    found = resource["Properties"]
    if resource["Type"] == "AWS::IAM::Policy":
        return [found["PolicyDocument"]]
    return [policy["PolicyDocument"] for policy in found.get("Policies", ())]


def main(template: Path, folder: Path) -> None:
    """Write `ROLE-NUMBER.json` for each."""
    folder.mkdir(parents=True, exist_ok=True)
    resources = json.loads(json.dumps(cfn_yaml.loads(template.read_text("utf-8"))))["Resources"]
    for name, resource in resources.items():
        for number, document in enumerate(documents(resource)):
            (folder / f"{name}-{number}.json").write_text(json.dumps(plain(document), indent=1), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

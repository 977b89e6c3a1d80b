"""What the step RegisterModel does on this machine: it makes a version in the workspace's registry."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobmajor.evaluation import gate
from jobmajor.lineage import TRAIN, code_version, origin
from jobmajor.pipeline import definition as pipeline
from jobmajor.pipeline import own_test
from jobmajor.registry import artifact
from jobmajor.registry.versions import DATA, PREDICTIONS, Candidate
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.data.labelled import TitleFile
    from jobmajor.registry.versions import Registry, Version
    from sagelocal.run.executor import Execution, RegisterRequest
    from sagelocal.storage.store import Store

_METRICS: Final = {DATA: "ModelDataQuality", PREDICTIONS: "ModelQuality"}
_INPUTS: Final = {"data": "InputDataUrl", "reviewed": "ReviewedDataUrl"}


@dataclass(frozen=True, slots=True)
class Registration:
    """The handler of the definition's RegisterModel step, which makes a version in our registry."""

    registry: Registry
    lineage: Mapping[str, Any]
    home: Path
    own: TitleFile | None = None

    def __call__(self, request: RegisterRequest) -> Mapping[str, Any]:
        """Register the model that a request names, with the gate's decision, and return the step's properties."""
        arguments, parameters = request.arguments, request.execution["parameters"]
        with tempfile.TemporaryDirectory() as name:
            model, attachments = Path(name, "model"), Path(name, "evaluation")
            model.mkdir()
            served = arguments["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
            _download_model(request.store, served, model)
            judged_url = arguments["CustomerMetadataProperties"].get("JudgedModelUrl")
            judged = Path(name, "judged") if judged_url else None
            if judged:
                judged.mkdir()
                _download_model(request.store, judged_url, judged)
            _download_folder(request.store, arguments["CustomerMetadataProperties"]["EvaluationUrl"], attachments)
            baselines = Path(name, "baselines")
            for folder, metric in _METRICS.items():
                statistics = arguments["ModelMetrics"][metric]["Statistics"]["S3Uri"]
                _download_folder(request.store, statistics, baselines / folder)
            evaluation = json.loads((attachments / pipeline.EVALUATION).read_bytes())
            decision = gate.decide(evaluation, float(parameters["TestScoreThreshold"]))
            told = self._own(decision, model, parameters)
            version = self.registry.register(
                Candidate(
                    model_folder=model,
                    evaluation=evaluation,
                    decision=told,
                    status=arguments["ModelApprovalStatus"],
                    lineage={
                        **self.lineage,
                        "execution_id": request.execution["id"],
                        "definition_digest": request.execution["definition_digest"],
                        "parameters": dict(parameters),
                        "compared_with": parameters["ChampionModelUrl"],
                        "data": evaluation["dataset"],
                        "files": {name: _files(request.store, parameters[url]) for name, url in _INPUTS.items()},
                        "settings": dict(manifest.read(model).settings),
                        "code": origin(),
                        "code_version": code_version(TRAIN, evaluation["model"]["recipe"]),
                    },
                    attachments=tuple(sorted(attachments.iterdir())),
                    judged_folder=judged,
                    baselines=baselines,
                )
            )
        group = arguments["ModelPackageGroupName"]
        arn = f"arn:aws:sagemaker:local:000000000000:model-package/{group}/{version.number}"
        return {**arguments, "ModelPackageArn": arn, "ModelPackageVersion": version.number}

    def _own(self, decision: gate.Decision, model: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the decision with what the user's labelled file adds; the champion itself is no other model."""
        if self.own is None:
            return decision.to_dict()
        champion = self.registry.champion()
        if champion and champion.digest == manifest.read(model).digest:
            return decision.to_dict()
        addresses = [
            *own_test.learned({"parameters": parameters}),
            *own_test.learned(champion.lineage if champion else {}),
        ]
        found = own_test.judge(self.own, own_test.Sides(model, champion, addresses), self.home)
        return own_test.decided(decision, found)

    def version(self, execution: Execution) -> Version | None:
        """Return the version that the execution registered; None if it registered none."""
        for record in execution.steps:
            if record.type == "RegisterModel" and record.status == "Succeeded":
                return self.registry.get(record.properties["ModelPackageVersion"])
        return None


def _download_folder(store: Store, uri: str, folder: Path) -> None:
    """Bring the folder that an address of a file is in, and verify it."""
    store.download(uri.rpartition("/")[0], folder)
    manifest.verify(folder)


def _files(store: Store, uri: str) -> dict[str, Any]:
    """Return size and digest of each file of an input, by its name."""
    return {name: asdict(record) for name, record in store.listing(uri).items() if name != manifest.NAME}


def _download_model(store: Any, uri: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        store.download(uri, Path(name))
        artifact.unpack(Path(name, artifact.MODEL), folder)

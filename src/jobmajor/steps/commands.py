"""What each step does: folders in, folders out.

A step does not know who runs it. It finds its inputs below `/opt/ml`; outside of a container or mount namespace, below
the folder that SAGELOCAL_ML_ROOT names. It writes a manifest into every folder of outputs.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from jobmajor import failure, settings, soc
from jobmajor.batch import parts
from jobmajor.data import examples, onet, prepare, reviewed
from jobmajor.errors import PipelineError
from jobmajor.evaluation import agreement, behaviour, document, evaluate, report
from jobmajor.lineage import EVALUATE, PREPARE, REFIT, TRAIN, code_version
from jobmajor.model import refit, thresholds, transformer
from jobmajor.model.linear import centroids
from jobmajor.model.transformer import launch
from jobmajor.monitor import flags, profile, reference
from jobmajor.pipeline import definition, requests
from jobmajor.registry import artifact
from jobmajor.settings import Linear, Transformer
from jobmajor.soc import carried
from jobmajor.steps import contest
from sagelocal.storage import archive, manifest, publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.model.classifier import Classifier

_DATA = "data.parquet"
_DUTIES = "duties.parquet"  # beside the titles of training, where the release has task statements
_OBJECTIVE = "_tuning_objective_metric"  # a Tuning step adds it to the hyperparameters; it is no setting
_log = logging.getLogger(__name__)


def run_prepare(root: Path, split_settings: settings.Split) -> None:
    """Split a release's folder, `processing/input`, into `processing/output/{train,validation,test,baseline}`.

    Reviewed titles, in `processing/reviewed`, are added to training; a part of them is put beside the test.
    """
    folder, output = root / "processing" / "input", root / "processing" / "output"
    found = onet.read(folder)
    source: dict[str, Any] = {
        "release": found.release,
        "edition": found.edition,
        "digest": manifest.hash_folder(folder),
        "direct_match_titles": len(found.direct_match),
        "tasks": len(found.tasks),
    }
    splits, texts = prepare.prepare(found, split_settings), examples.duties(found)
    known, tested = reviewed.hold_out(reviewed.read(root / "processing" / "reviewed"))
    splits, used = reviewed.add(splits, known)
    used = replace(used, tested=tested["title"].n_unique())
    if used != reviewed.Used():
        source["reviewed"] = asdict(used)
    lineage = {"settings": asdict(split_settings), "source": source, "code_version": code_version(PREPARE)}
    rows = {name: len(table) for name, table in splits.items()}
    _log.info("prepared %s of release %s", rows, found.release)
    for name, table in splits.items():
        target = _new(output / name)
        table.write_parquet(target / _DATA, compression="zstd", statistics=False)
        carried.copy(target)
        if name == "train" and texts is not None:
            texts.write_parquet(target / _DUTIES, compression="zstd", statistics=False)
        if name == "test" and len(tested):
            tested.write_parquet(target / reviewed.TESTED, compression="zstd", statistics=False)
        manifest.write(target, rows=rows, **lineage)
    target = _new(output / "baseline")
    titles = prepare.titles(splits["train"])
    reference.write_baseline(profile.data_baseline(titles, f"release {found.release}"), target)
    manifest.write(target, rows={"baseline": len(titles)}, **lineage)


def run_train(root: Path) -> int:
    """Train `model` on `input/data/{train,validation}` as `hyperparameters.json` says; return the exit status."""
    begun = time.monotonic()
    name, recipe_settings = _recipe(root)
    if isinstance(recipe_settings, Transformer):
        transformer.require('recipe = "transformer"')
        status = launch.run(root, ["-m", "jobmajor.steps", "train"])
        if status not in (None, 0, launch.UNFINISHED):
            raise PipelineError(failure.left(root, "train") or f"a training process ended with status {status}")
        if status is not None:
            return status
    origin, train_rows = _read(root / "input" / "data" / "train")
    _, validation_rows = _read(root / "input" / "data" / "validation")
    about = {"source": dict(origin.source), "split": dict(origin.settings)}
    model = _fitted(root, recipe_settings, (train_rows, validation_rows), about)
    if not launch.is_first():
        return 0
    if (root / "input" / "data" / "train" / _DUTIES).is_file():
        texts = pl.read_parquet(root / "input" / "data" / "train" / _DUTIES)
        model.context = centroids.learn(texts, validation_rows, model.codes, model.scorer.shares)
    for figure, value in _validated(model, validation_rows).items():
        _log.info("%s=%.6f", figure, value)
    lineage = {
        "settings": {"recipe": name, **asdict(recipe_settings)},
        "source": {"data": origin.digest, **origin.source},
    }
    model.save(root / "model", rows=dict(origin.rows), code_version=code_version(TRAIN, name), **lineage)
    for kept in (root / requests.CHECKPOINTS).glob("*"):  # the training is finished and needs them no more
        shutil.rmtree(kept, ignore_errors=True)
    _log.info("train_seconds=%.3f", time.monotonic() - begun)
    return 0


def _recipe(root: Path) -> tuple[str, Linear | Transformer]:
    """Return the recipe's name and its settings, from the hyperparameters."""
    written = json.loads((root / "input" / "config" / "hyperparameters.json").read_text("utf-8"))
    written.pop(_OBJECTIVE, None)
    named = {"recipe": written.pop("recipe", settings.RECIPES[0])}
    chosen: settings.Train = settings.build(settings.Train, named, "train.")
    kind = type(settings.Settings(train=chosen).recipe)
    return chosen.recipe, settings.build(kind, written, f"{chosen.recipe}.")


def _fitted(
    root: Path, recipe_settings: Linear | Transformer, tables: tuple[pl.DataFrame, pl.DataFrame], about: dict[str, Any]
) -> Classifier:
    if isinstance(recipe_settings, Linear):
        return thresholds.fit(*tables, recipe_settings, about)
    base = root / "input" / "data" / requests.CHECKPOINT
    if (base / manifest.NAME).is_file():
        manifest.verify(base)
    used = replace(recipe_settings, checkpoint=str(base)) if base.is_dir() else recipe_settings
    # The model names the checkpoint as its user did: the folder where a job finds it differs from job to job.
    named = {**about, "settings": asdict(recipe_settings)}
    return thresholds.fit(*tables, used, named, checkpoints=root / requests.CHECKPOINTS)


def _validated(model: Classifier, validation: pl.DataFrame) -> dict[str, float]:
    """Return the figures of validation's counted rows, by which models are compared, for the log."""
    rows = validation.filter(pl.col("source") == examples.COUNTED)
    found = evaluate.evaluate(rows, model.predict_proba(rows["title"]), model.classes(), seed=0)
    scores = found["classification_metrics"]
    names = {
        "validation_accuracy": "test_accuracy",
        "validation_f1": "test_f1",
        "validation_f1_macro": "test_f1_macro",
    }
    return {name: scores[found_as] for name, found_as in names.items()}


def run_evaluate(root: Path, seed: int, *, is_refitted: bool = False) -> None:
    """Evaluate `processing/{model,test,champion}` into `processing/output/{evaluation,prediction_baseline}`.

    No other code judges by the test. `is_refitted` tells whether the model is trained again afterwards, on all rows.
    """
    inputs, output = root / "processing", root / "processing" / "output"
    origin, test = _read(inputs / "test")
    model, made = contest.model(inputs / "model" / artifact.MODEL)
    side = contest.side(model, test)
    shares, counted = side.answers[0], contest.counted(test)
    evaluation = document.Evaluation(
        **evaluate.evaluate(test, shares, model.classes(), seed=seed),
        levels=evaluate.by_level(counted, contest.by_level(model, counted["title"])),
        behaviour=behaviour.behaviour(model.predict_proba, counted["title"].to_list(), side.kept),
        champion=contest.compared(inputs / "champion", test, (model, side), seed),
        dataset={**origin.source, **origin.settings, "rows": dict(origin.rows)},
        model={"digest": made.digest, **model.about, **({"refitted": "on all rows"} if is_refitted else {})},
        reviewed=contest.reviewed(inputs / "test" / reviewed.TESTED, model, inputs / "champion", seed),
    )
    _publish_evaluation(_new(output / "evaluation"), evaluation.to_json(), origin)
    target = _new(output / "prediction_baseline")
    answered = flags.prediction_baseline(
        model, made.digest, test["title"].to_list(), f"release {origin.source['release']}"
    )
    reference.write_baseline(answered, target, evaluation.classification_metrics)
    manifest.write(target, **_evaluation_lineage(origin, made, seed, model.about["recipe"]))


def run_refit(root: Path) -> None:
    """Train `processing/model` again on `processing/{train,validation,test}`, and compare the two.

    Writes `processing/output/refitted_model`, an archive, and `processing/output/agreement`.
    """
    inputs, output = root / "processing", root / "processing" / "output"
    judged, made = contest.model(inputs / "model" / artifact.MODEL)
    read = {name: _read(inputs / name) for name in ("train", "validation", "test")}
    origin, tables = read["test"][0], [rows for _, rows in read.values()]
    model = refit.refit(judged, tables, made.digest)
    lineage: dict[str, Any] = {
        "settings": {"recipe": model.about["recipe"], **model.about["settings"]},
        "source": {"data": origin.digest, "judged": made.digest, **origin.source},
        "code_version": code_version(REFIT),
    }
    target, checked = _new(output / "refitted_model"), _new(output / "agreement")
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder), rows=dict(origin.rows), **lineage)
        archive.pack(Path(folder), target / artifact.MODEL)
    titles, truth = contest.questions(read["test"][1])
    behaves = behaviour.behaviour(model.predict_proba, titles)
    checks = agreement.agreement(judged.predict(titles), model.predict(titles), truth, behaves)
    _log.info("refit: %s", checks["summary"])
    _write_json(checked / definition.AGREEMENT, checks)
    manifest.write(checked, rows={"test": origin.rows["test"]}, **lineage)


def run_score(root: Path, level: str, workers: int | None) -> None:
    """Add codes to the rows of `processing/parts` with `processing/model`; write `processing/output/scored`."""
    inputs, target = root / "processing", _new(root / "processing" / "output" / "scored")
    with tempfile.TemporaryDirectory() as folder:
        artifact.unpack(inputs / "model" / artifact.MODEL, Path(folder))
        work = parts.Work(inputs / "parts", target, Path(folder), soc.parse_level(level))
        _log.info("scored_rows=%d", sum(parts.score(work, workers).values()))


def _publish_evaluation(target: Path, evaluation: Mapping[str, Any], origin: manifest.Manifest) -> None:
    _write_json(target / definition.EVALUATION, evaluation)
    publish.write_file(target / definition.REPORT, report.render(evaluation).encode())
    publish.write_file(target / "card.md", report.card(evaluation).encode())
    version = code_version(EVALUATE, evaluation["model"]["recipe"])
    manifest.write(target, source=dict(origin.source), code_version=version, rows={"test": origin.rows["test"]})


def _evaluation_lineage(origin: manifest.Manifest, made: manifest.Manifest, seed: int, recipe: str) -> dict[str, Any]:
    source = {"data": origin.digest, "model": made.digest, **origin.source}
    return {"settings": {"seed": seed}, "source": source, "code_version": code_version(EVALUATE, recipe)}


def _read(folder: Path) -> tuple[manifest.Manifest, pl.DataFrame]:
    """Return a verified manifest and its table; from here on, the process uses the classification of its codes."""
    carried.activate(folder)
    return manifest.verify(folder), pl.read_parquet(folder / _DATA)


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_json(path: Path, body: Any) -> None:
    publish.write_file(path, (json.dumps(body, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobmajor.steps", description="Run one step of the pipeline.")
    commands = parser.add_subparsers(dest="step", required=True)
    preparing = commands.add_parser("prepare", help="a release's folder into train, validation and test")
    for item in fields(settings.Split):
        preparing.add_argument(f"--{item.name}", default=item.default)
    commands.add_parser("train", help="train and validation into a model")
    evaluating = commands.add_parser("evaluate", help="a model and the test into an evaluation")
    evaluating.add_argument("--seed", type=int, default=settings.Split().seed)
    evaluating.add_argument("--refit", action="store_true", help="say in the card that the model is refitted")
    commands.add_parser("refit", help="an accepted model, trained again on all rows")
    scoring = commands.add_parser("score", help="a model and tables of titles into the same tables with codes")
    scoring.add_argument("--level", choices=soc.LEVELS, default=soc.LEVELS[0])
    scoring.add_argument("--workers", type=int, help="threads that score; by default one for each processor")
    checking = commands.add_parser("monitor", help="captured traffic, compared with a reference")
    checking.add_argument("--project", required=True, help="the name in the lines of the log")
    checking.add_argument("--period", default="yesterday")
    checking.add_argument("--false-alarms", type=float, default=1 / 365)
    checking.add_argument("--least", type=float, default=0.01)
    return parser


def _monitor(root: Path, arguments: argparse.Namespace) -> None:
    from jobmajor.monitor.check import Limits  # noqa: PLC0415 - as above
    from jobmajor.monitor.traffic.capture import Period  # noqa: PLC0415 - no other step's version should follow from these
    from jobmajor.steps import monitoring  # noqa: PLC0415 - as above

    limits = Limits(arguments.false_alarms, arguments.least)
    monitoring.run_monitor(root, monitoring.Check(arguments.project, Period.parse(arguments.period), limits))


def run(words: Sequence[str], root: Path) -> int:
    """Run the step that a command line names and return the exit status; see `__main__` for failures."""
    arguments = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s")
    failure.require_writable(root, arguments.step)
    if arguments.step == "train":
        return run_train(root)
    if arguments.step == "prepare":
        values = {item.name: getattr(arguments, item.name) for item in fields(settings.Split)}
        run_prepare(root, settings.build(settings.Split, values, "split."))
    elif arguments.step == "score":
        run_score(root, arguments.level, arguments.workers)
    elif arguments.step == "refit":
        run_refit(root)
    elif arguments.step == "monitor":
        _monitor(root, arguments)
    else:
        run_evaluate(root, arguments.seed, is_refitted=arguments.refit)
    return 0

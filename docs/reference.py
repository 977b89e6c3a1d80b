"""Write reference.md, python.md, and the map in architecture.md, from the code, so that neither leaves anything out.

Run it after a change of a command, a setting, an error, a figure or a package's docstring: `.venv/bin/python
docs/reference.py`. Tests fail until you do.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import shutil
import sys
import tempfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jobmajor import errors, settings
from jobmajor.aws import policy
from jobmajor.cli import main, options
from jobmajor.data import source
from jobmajor.evaluation import checks
from jobmajor.evaluation.judged import slice_rules
from jobmajor.pipeline import definition
from jobmajor.registry import artifact
from jobmajor.serve.page import openapi
from jobmajor.steps import commands as steps
from sagelocal import cli as sagelocal_cli
from sagelocal import errors as sagelocal_errors
from sagelocal.jobs import sandbox
from sagelocal.storage import archive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGE = Path(__file__).with_name("reference.md")
ARCHITECTURE = Path(__file__).with_name("architecture.md")
SOURCES = Path(__file__).parents[1] / "src"
_STATUSES = (
    "Every command exits with status 0 (done), 1 (the answer is no, or a run failed), 2 (an input can't be used) or "
    "130 (interrupted). Results go to standard output, everything else to standard error. An error is one line."
)

_VARIABLES = {
    settings.HOME_VARIABLE: "The workspace. The option `--home` takes precedence.",
    source.FOLDER_VARIABLE: "A folder with O*NET's files. The option `--data` takes precedence.",
    options.QUEUE: "The queue of titles: a PostgreSQL URL, or a file. The option `--queue` takes precedence.",
    source.OFFLINE_VARIABLE: "If it has a value other than 0, jobmajor downloads nothing.",
    "SAGELOCAL_PYTHON": "The Python that has the SDK of a script. The option `--python` takes precedence.",
    "SAGELOCAL_HOME": "The workspace of sagelocal. The option `--home` takes precedence.",
    sandbox.ML_ROOT: "The folder that replaces `/opt/ml`. sagelocal sets it for a step that has no separate `/opt/ml`.",
}

_PARAMETERS = {
    "ProcessingInstanceType": "The instance type of both processing steps. It has no effect on this machine.",
    "TrainingInstanceType": "The instance type of training. It has no effect on this machine.",
    "TrainingInstanceCount": "The number of training instances. This machine runs each as a separate process.",
    "ModelApprovalStatus": "The approval status of a new version. A promotion changes it to Approved.",
    "TestScoreThreshold": "The weighted F1 to exceed. `--threshold` sets it; the default depends on the data.",
    "InputDataUrl": "The folder of the release. `jobmajor run` sets it; it ends with the digest of the data.",
    "ReviewedDataUrl": "Your own titles with their codes. `--reviewed FILE` sets it; it ends with their digest.",
    "ChampionModelUrl": "The model to compare with. `jobmajor run` sets it; it ends with the digest of the model.",
    "CheckpointUrl": "The checkpoint's folder, for the transformer recipe only. `jobmajor run` sets it.",
    "Bucket": "The bucket for the outputs of the steps.",
    "RoleArn": "The role of the jobs. It has no effect on this machine.",
    "ImageUri": "The image of all steps. On this machine, the running environment replaces it.",
}


def _compared(place: str, what: str) -> dict[str, str]:
    """The meanings of the keys of one figure of candidate and champion."""
    return {
        f"{place}.candidate": f"{what}, of the candidate.",
        f"{place}.champion": "The same of the champion.",
        f"{place}.difference": "Candidate minus champion.",
        f"{place}.interval": "null where there are too few rows.",
        f"{place}.interval.low": "Lower end; all intervals of these parts hold at once.",
        f"{place}.interval.high": "Upper end.",
        f"{place}.interval.level": "The probability that they do.",
        f"{place}.verdict": "better or worse if 0 is outside of the interval, else no difference; null without one.",
    }


# Keys of evaluation.json: `*` is any key of a mapping, `[]` any item of a list.
_SHARE = "0 to 1"
_MEANINGS = {
    "classification_metrics.test_f1": f"Headline. Mean F1 of the major groups, weighted by their rows; {_SHARE}.",
    "classification_metrics.test_accuracy": f"Headline. Share of rows whose major group is the answer; {_SHARE}.",
    "classification_metrics.test_f1_macro": "Headline. Mean F1 of the major groups, all with equal weight.",
    "classification_metrics.test_top_3": "Headline. Share of rows whose major group is among the best 3.",
    "classification_metrics.test_top_5": "Headline. The same for the best 5.",
    "classification_metrics.test_any_code_accuracy": "Headline. Share of distinct titles whose answer is the "
    "major group of any code listed for the title.",
    "classification_metrics.rows": "Counted rows: the alternate titles of the test.",
    "classification_metrics.titles": "Distinct titles among them, after normalising.",
    "classification_metrics.families": "Title families among them.",
    "classification_metrics.untied_share": "Share of rows with a single best answer.",
    "classification_metrics.intervals.*.low": "Lower end of the headline's interval: 1,000 resamples of families.",
    "classification_metrics.intervals.*.high": "Upper end.",
    "classification_metrics.intervals.*.level": "Share of the resamples within the interval.",
    "per_class[].code": "A major group.",
    "per_class[].name": "Its title.",
    "per_class[].precision": "Share of the answers with this group that are right.",
    "per_class[].recall": "Share of this group's rows whose answer is this group.",
    "per_class[].f1": "Harmonic mean of precision and recall.",
    "per_class[].f1_interval.low": "As for the headlines.",
    "per_class[].f1_interval.high": "As for the headlines.",
    "per_class[].f1_interval.level": "As for the headlines.",
    "per_class[].support": "Rows of this group.",
    "per_class[].predicted": "Rows whose answer is this group.",
    "confusion.classes[]": "Major groups: the order of the matrix.",
    "confusion.matrix[][]": "Number of rows for each true group (outer) and answer (inner).",
    "slices.*.rows": "Rows of the slice.",
    "slices.*.accuracy": "Accuracy of these rows; null without rows.",
    "slices.*.f1": "Weighted F1 of these rows; null without rows.",
    "calibration.ece": "Expected calibration error: mean difference between confidence and accuracy.",
    "calibration.ece_by_chance": "The error that a perfectly calibrated model has by chance with this number of rows.",
    "calibration.brier": "Brier score: mean squared difference between shares and truth, 0 to 2.",
    "calibration.bins[].low": "Least confidence in the bin; bins hold the same number of rows as far as ties allow.",
    "calibration.bins[].high": "Greatest confidence.",
    "calibration.bins[].rows": "Rows in the bin.",
    "calibration.bins[].confidence": "Their mean confidence.",
    "calibration.bins[].accuracy": "Share of them that is right.",
    "calibration.thresholds[].threshold": "The least confidence to accept, 0.50 to 0.95.",
    "calibration.thresholds[].rows": "Answers with at least this confidence.",
    "calibration.thresholds[].coverage": "Their share of all answers.",
    "calibration.thresholds[].stated": "Their mean confidence; null if there is none.",
    "calibration.thresholds[].accuracy": "Share of them that is right; null if there is none.",
    "confusions[].truth": "The true group of one of the 20 most frequent mistakes.",
    "confusions[].predicted": "The answer to these rows.",
    "confusions[].count": "Rows with this mistake.",
    "confusions[].share": "Their share of the true group's rows.",
    "confusions[].examples[]": "Up to 5 titles, mistakes with the highest confidence first.",
    "levels.*.accuracy": "Share of rows whose code at this level (major, minor, broad, detailed) is the answer.",
    "levels.*.top_5": "Share of rows whose code is among the best 5.",
    "behaviour.titles": "Titles that were rewritten to test whether the answer stays the same.",
    "behaviour.upper_case": "Share of answers that stay the same in upper case.",
    "behaviour.extra_spaces": "Share of answers that stay the same with more spaces.",
    "behaviour.full_width": "Share of answers that stay the same in full-width letters.",
    "behaviour.zero_width": "Share of answers that stay the same with an invisible character inside.",
    "behaviour.sr_prefix": 'Share of answers that stay the same with "Sr." before the title.',
    "behaviour.nonsense_unsure": "Share of random strings whose best score is below 0.5.",
    "behaviour.changed.*[]": "Up to 3 titles whose answer changed.",
    "champion": "null if there was no champion.",
    "champion.digest": "The champion's manifest digest.",
    "champion.comparable": "false if the champion learned from other data or another split. Then `reason` and `unseen` "
    "follow: how many `titles` of the test it did not learn from, and their `levels`, with keys as below.",
    "champion.rows": "Rows that both answered.",
    "champion.candidate_f1": "Weighted F1 of the candidate.",
    "champion.champion_f1": "Weighted F1 of the champion.",
    "champion.difference": "Candidate minus champion.",
    "champion.interval.low": "Lower end of the interval of the difference, from the same resamples.",
    "champion.interval.high": "Upper end.",
    "champion.interval.level": "As for the headlines.",
    "champion.won": "Rows that only the candidate answered right.",
    "champion.lost": "Rows that only the champion answered right.",
    **_compared("champion.levels.*", "Accuracy at this level"),
    **_compared("champion.groups[]", "F1 of this major group"),
    "champion.groups[].code": "The major group.",
    "champion.groups[].name": "Its official name.",
    "champion.groups[].rows": "Its rows. Groups of less than 20 have no interval.",
    **_compared("champion.behaviour.*", "Share of answers that stay the same in this form"),
    "champion.changes.rows": "Rows whose answer differs.",
    "champion.changes.titles": "Distinct titles of these rows.",
    "champion.changes.lost_titles": "Those for which the champion is right more often.",
    "champion.changes.largest[].title": "One of up to 100 titles, the largest effect first.",
    "champion.changes.largest[].rows": "Its rows.",
    "champion.changes.largest[].effect": "Its rows times the share of its probability that moves to other groups.",
    "champion.changes.largest[].truth[]": "The major groups of its rows.",
    "champion.changes.largest[].candidate": "The candidate's answer.",
    "champion.changes.largest[].champion": "The champion's answer.",
    "champion.changes.largest[].candidate_share": "The share that the candidate gives its answer.",
    "champion.changes.largest[].champion_share": "The share that the champion gives its answer.",
    "champion.changes.largest[].right": "Which is right for more of the rows: candidate, champion or neither.",
    "dataset.release": 'A version, "starter" or "unknown".',
    "dataset.edition": "workbook or text.",
    "dataset.digest": "sha256 over the release's files.",
    "dataset.direct_match_titles": "Direct Match titles of the SOC that the run read; 0 without their file.",
    "dataset.tasks": "O*NET's task statements that the run read; without them, the model can use no context.",
    "dataset.seed": "The seed of the split.",
    "dataset.validation": "Share of the rows in validation.",
    "dataset.test": "Share of the rows in the test.",
    "dataset.rows.*": "Examples in each split, all sources.",
    "model.digest": "The model's manifest digest.",
    "model.recipe": "How it was trained.",
    "model.settings.*": "The recipe's settings.",
    "model.source.*": "The data that it was trained on, as in `dataset`.",
    "model.split.*": "The split that it was trained on, as in `dataset`.",
    "reviewed": "The reviewed titles' own test, which no model is trained on; null without reviewed titles in it.",
    "gate.passed": "Whether every check passed; the threshold is not among them.",
    "gate.outcome": "promote, hold (a person decides) or refuse, without regard to the threshold.",
    "gate.summary": "What failed, in one sentence.",
    "gate.checks[].name": "The name of the check.",
    "gate.checks[].value": "The figure; null if it could not be computed.",
    "gate.checks[].limit": "The limit for the figure.",
    "gate.checks[].passed": "true or false; null if the figure could not be computed and is not required.",
    "gate.checks[].holds": "Whether the check leaves the decision to a person.",
    "gate.checks[].reason": "The result of the check in words.",
}
_OPEN = ("intervals", "slices", "levels", "changed", "rows", "settings", "source", "split")


def render() -> str:
    """The whole page."""
    head = "# Reference\n\n[reference.py](reference.py) writes this page from the code. Change the code, not this page."
    sections = (
        *(_commands(), _routes(), _permissions(), _variables(), _parameters()),
        *(_settings(), _limits(), _errors(), _evaluation()),
    )
    return "\n\n".join((head, *sections)) + "\n"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below a group with its full name, in the order of the help; groups themselves left out."""
    members = getattr(command, "commands", None)
    if members is None:
        yield name, command
        return
    for word, member in members.items():
        yield from walk(member, f"{name} {word}")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command of both programs."""
    for app, name in ((main.app, "jobmajor"), (sagelocal_cli.app, "sagelocal")):
        yield from walk(typer.main.get_command(app), name)


def _commands() -> str:
    return "\n\n".join(("## Commands", _STATUSES, *(_command(name, command) for name, command in commands())))


def _command(name: str, command: Any) -> str:
    told, _, example = command.help.partition("Example: ")
    rows = (_option(item) for item in command.params if item.name != "help")
    table = _table(("argument or option", "default", "what it is"), rows)
    return f"### {name}\n\n{told.strip()}\n\n```bash\n{example.strip()}\n```\n\n{table}"


def _option(item: Any) -> tuple[str, str, str]:
    notes = [item.help or ""]
    if item.envvar:
        notes.append(f"Else the variable `{item.envvar}`.")
    if getattr(item, "multiple", False):
        notes.append("May be given more than once.")
    if getattr(item, "min", None) is not None:
        notes.append(f"At least {item.min}.")
    return f"`{_written(item)}`", _default(item), " ".join(notes)


def _written(item: Any) -> str:
    value = item.metavar or item.name.upper()
    if item.param_type_name == "argument":
        bare = value.strip("[]")
        many = "..." if item.nargs != 1 else ""
        return f"{bare}{many}" if item.required else f"[{bare}{many}]"
    names = ", ".join((*item.opts, *item.secondary_opts))
    return names if item.is_flag else f"{names} {value}"


def _default(item: Any) -> str:
    if isinstance(item.show_default, str):
        return item.show_default
    if item.secondary_opts:
        return f"`{(item.opts if item.default else item.secondary_opts)[0]}`"
    if item.default is None or item.default is False:
        return "must be given" if item.required else ""
    return f"`{item.default}`"


def _routes() -> str:
    """The paths of the service, as its OpenAPI document has them."""
    told = (
        "## HTTP routes\n\nThe paths of `jobmajor serve`. Bodies, parameters and examples are at `/docs` of a running "
        "service, and as OpenAPI at `/openapi.json`. A refusal is JSON with `detail`, one sentence, and `field`."
    )
    rows = (
        (f"`{method.upper()} {path}`", operation["description"], ", ".join(sorted(operation["responses"])))
        for path, methods in openapi.document("")["paths"].items()
        for method, operation in methods.items()
    )
    return f"{told}\n\n{_table(('route', 'what it does', 'statuses'), rows)}"


def _permissions() -> str:
    told = (
        "## What the AWS commands need to be allowed\n\n`jobmajor aws policy` prints these permissions as an IAM "
        "policy, for some commands or all. It replaces the names in braces by those of your settings. Resources are "
        "shortened ARNs; `role:job` is the stack's role of that name. The last column has further conditions of a "
        "statement, and says if a service makes the request in the caller's name. A command without an entry sends "
        "no request to AWS."
    )
    rows = (
        (f"`{name}`" if number == 0 else "", _code(row.actions), _code(row.resources), _when(row))
        for name in policy.commands()
        for number, row in enumerate(row for row in policy.permissions() if name in row.commands)
    )
    return f"{told}\n\n{_table(('command', 'actions', 'on', 'when'), rows)}"


def _code(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _when(row: policy.Permission) -> str:
    if row.condition == "tag":
        return "it carries the project's tag"
    if row.condition == "cloudformation":
        return "CloudFormation asks, in the caller's name"
    pairs = [
        f"`{key}` is {_code(value if isinstance(value, list) else [value])}"
        for names in dict(row.condition).values()
        for key, value in names.items()
    ]
    return "; ".join([*pairs, *([row.service.rstrip(".")] if row.service else [])])


def _variables() -> str:
    table = _table(("variable", "what it is"), ((f"`{name}`", told) for name, told in _VARIABLES.items()))
    told = "These variables name folders or switch downloads off. Everything else is an option or a setting."
    return f"## Environment variables\n\n{told}\n\n{table}"


def _parameters() -> str:
    every = settings.Settings(train=settings.Train("transformer"))  # whose definition has them all
    found = definition.build(every)["Parameters"]
    _same("the pipeline's parameters", {item["Name"] for item in found}, set(_PARAMETERS))
    rows = (
        (f"`{item['Name']}`", item["Type"], f"`{item['DefaultValue']}`", _PARAMETERS[item["Name"]]) for item in found
    )
    table = _table(("parameter", "type", "default", "what it is"), rows)
    told = "`jobmajor pipeline show` prints a definition with these parameters. Set one with `--parameter NAME=VALUE`."
    return f"## Pipeline parameters\n\n{told}\n\n{table}"


def _same(what: str, found: set[str], told: set[str]) -> None:
    if found != told:
        missing, stale = sorted(found - told), sorted(told - found)
        sys.exit(f"{what}: found {missing} that reference.py does not explain, and {stale} that are gone: update it")


def told_of(kind: Any) -> dict[str, str]:
    """What the source of a settings class says of its fields: beside, above, or in the docstring's Attributes.

    A comment above several fields holds for all of them up to the next blank or commented one.
    """
    found, above, fresh = _attributes(kind), "", False
    for line in inspect.getsource(kind).splitlines():
        comment = re.fullmatch(r"    # (.*)", line)
        field = re.fullmatch(r"    (\w+): .*?(?:  # (.*))?", line)
        if comment:
            above, fresh = f"{above} {comment[1]}" if fresh else comment[1], True
        elif field:
            told = field[2] or above
            if told:
                found.setdefault(field[1], told.strip())
            above, fresh = "" if field[2] else above, False
        else:
            above, fresh = "", False
    return found


def _attributes(kind: Any) -> dict[str, str]:
    _, _, listed = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    for line in inspect.cleandoc(f"\n{listed}").splitlines():
        name, colon, text = line.partition(": ")
        if colon and name.isidentifier():
            found[name] = text
        elif found and line.strip():
            found[list(found)[-1]] += f" {line.strip()}"
    return found


def _settings() -> str:
    told = (
        "## Settings\n\nSettings are read from `jobmajor.toml` in the working folder, or from the file that "
        "`--settings` names. A setting that is not there has its default. An unknown key, a wrong type or a value out "
        "of range is an error that names the key."
    )
    defaults = settings.Settings()
    return "\n\n".join((told, *(_section(item.name, getattr(defaults, item.name)) for item in fields(defaults))))


def _section(name: str, section: Any) -> str:
    kind = type(section)
    told = told_of(kind)
    rows = (
        (f"`{item.name}`", _value(getattr(section, item.name)), _range(item.metadata), told.get(item.name, ""))
        for item in fields(kind)
        if not is_dataclass(getattr(section, item.name))
    )
    return f"### [{name}]\n\n{_first(kind)}\n\n{_table(('key', 'default', 'range', 'what it is, and why'), rows)}"


def _value(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _range(bounds: Mapping[str, Any]) -> str:
    if choices := bounds.get("choices"):
        return ", ".join(choices)
    if words := bounds.get("words"):
        return str(words)
    if not bounds:
        return "text"
    return " to ".join(f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (bounds["low"], bounds["high"]))


def _limits() -> str:
    told = told_of(checks.Limits)
    held = checks.Limits()
    rows = ((f"`{item.name}`", _value(getattr(held, item.name)), told[item.name]) for item in fields(checks.Limits))
    return (
        "## The gate\n\nA candidate must exceed the threshold on weighted F1 and keep these limits. They are not "
        "settings, so a passed gate means the same everywhere.\n\n"
        f"{_table(('limit', 'value', 'why'), rows)}"
    )


def example(folder: Path) -> dict[str, Any]:
    """The evaluation.json of a small model, by the real steps in the empty `folder`, compared with itself."""
    root = folder / "ml"
    _sample(root / "processing" / "input")
    steps.run_prepare(root, settings.Split())
    outputs = root / "processing" / "output"
    for name in ("train", "validation"):
        shutil.copytree(outputs / name, root / "input" / "data" / name)
    (root / "input" / "config").mkdir()
    (root / "input" / "config" / "hyperparameters.json").write_text("{}")
    (root / "model").mkdir()
    steps.run_train(root)
    shutil.copytree(outputs / "test", root / "processing" / "test")
    for name in ("model", "champion"):
        (root / "processing" / name).mkdir()
        archive.pack(root / "model", root / "processing" / name / artifact.MODEL)
    steps.run_evaluate(root, seed=0)
    found: dict[str, Any] = json.loads((outputs / "evaluation" / definition.EVALUATION).read_bytes())
    return found


def _sample(folder: Path) -> None:
    """One in twenty of the starter titles."""
    folder.mkdir(parents=True)
    for path in source.STARTER_FOLDER.iterdir():
        lines = path.read_text("utf-8").splitlines(keepends=True)
        kept = lines[:1] + lines[1::20] if path.stem == "Alternate Titles" else lines
        (folder / path.name).write_text("".join(kept), "utf-8")


def keys(value: Any, place: str = "") -> Iterator[str]:
    """Every place in parsed JSON, as `_MEANINGS` writes it."""
    if isinstance(value, dict) and value:
        is_open = place.rpartition(".")[2] in _OPEN or place == "champion.behaviour"
        for key, member in value.items():
            yield from keys(member, f"{place}.{'*' if is_open else key}".lstrip("."))
    elif isinstance(value, list):
        for member in value:
            yield from keys(member, f"{place}[]")
    else:
        yield place


def _evaluation() -> str:
    with tempfile.TemporaryDirectory() as name:
        found = set(keys(example(Path(name)))) | {"champion"}
    # Small models may change no answer at all when a title is written otherwise; a model doesn't differ from itself.
    absent = {key for key in _MEANINGS if key.startswith(("champion.changes.largest", "champion.groups[].interval"))}
    absent |= {key for key in _MEANINGS if key.startswith("champion.") and key.endswith(".interval")}
    found = {key for key in found if key != "champion.changes.largest"}
    _same("evaluation.json", found | {"behaviour.changed.*[]"} | absent, set(_MEANINGS))
    table = _table(("key", "what it is"), ((f"`{key}`", told) for key, told in _MEANINGS.items()))
    names = ", ".join(f"`{name}`" for name in slice_rules())
    return (
        "## evaluation.json\n\nNew versions only add keys. `*` is any key, `[]` any item of a list. Figures count the "
        'rows with source "alternate", except in the slices named `source: …`.\n\n'
        f"{table}\n\nSlices: {names}, and `source: …` for every source."
    )


def _errors() -> str:
    found: dict[str, type[sagelocal_errors.Error]] = {}
    for module in (sagelocal_errors, errors):
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and issubclass(kind, sagelocal_errors.Error):
                found.setdefault(name, kind)
    rows = ((f"`{name}`", f"`{_above(kind).__name__}`", _status(kind), _first(kind)) for name, kind in found.items())
    table = _table(("error", "is a", "status", "when"), rows)
    told = "`jobmajor.errors` and `sagelocal.errors` define these errors. Catch `Error` to catch all of them."
    return f"## Errors\n\n{told}\n\n{table}"


def _above(kind: type) -> type:
    """Return the nearest class above that has another name: an error of jobmajor may be one of sagelocal, narrowed."""
    return next(each for each in kind.__mro__ if each.__name__ != kind.__name__)


def _status(kind: type[sagelocal_errors.Error]) -> str:
    return "2" if issubclass(kind, sagelocal_errors.InputError) else "1"


def _first(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def purposes() -> Iterator[tuple[str, str]]:
    """Each package, and each module beside the packages of jobmajor, with the first line of its docstring."""
    found = [*SOURCES.glob("jobmajor/[!_]*.py"), *SOURCES.rglob("__init__.py")]
    names = {path: path.relative_to(SOURCES).with_suffix("").as_posix().removesuffix("/__init__") for path in found}
    for path in sorted(found, key=lambda path: names[path]):
        if "seed" not in path.parts:  # files for a user's repository
            told = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            yield names[path].replace("/", "."), told.partition("\n")[0]


def with_map(page: str) -> str:
    """Return the page with its map renewed."""
    table = _table(("package or module", "what it is for"), ((f"`{name}`", told) for name, told in purposes()))
    before, begin, rest = page.partition("<!-- map: begin -->\n")
    _, end, after = rest.partition("<!-- map: end -->")
    return f"{before}{begin}\n{table}\n\n{end}{after}"


if __name__ == "__main__":
    import api  # these two are beside this script
    import calls

    PAGE.write_text(render(), "utf-8")
    calls.PAGE.write_text(calls.text(), "utf-8")
    api.PAGE.write_text(api.text(), "utf-8")
    ARCHITECTURE.write_text(with_map(ARCHITECTURE.read_text("utf-8")), "utf-8")

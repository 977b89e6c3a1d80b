"""Every name and number that a user may want to change, in one place, with its unit and its reason.

They come from `jobmajor.toml`; what is not there has the default below. An unknown key, a wrong type or a value
out of range is refused by name. The environment names places and secrets only.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmajor.errors import InputError, SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "jobmajor.toml"
HOME_VARIABLE = "JOBMAJOR_HOME"
HOME = ".jobmajor"
RECIPES = ("linear", "transformer")


def _number(default: float, low: float, high: float) -> Any:
    return field(default=default, metadata={"low": low, "high": high})


def _text(pattern: str, words: str) -> Any:
    """Describe text that may be left out; otherwise all of it must match the pattern, which the words explain."""
    return field(default="", metadata={"pattern": pattern, "words": words})


_ROLE = r"[\w+=,.@-]{1,64}|arn:[\w-]+:iam::\d{12}:role/.+"
_ROLE_WORDS = "a role's name or ARN"


@dataclass(frozen=True, slots=True)
class Names:
    """What things are called, here and on AWS; the defaults are the tutorial's."""

    prefix: str = "job-major-clf"  # of every object's key
    project: str = "test-job-major-clf"
    bucket: str = "jobmajor-local"  # on AWS a parameter gives the account's own

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return f"{self.project}-pipeline"

    @property
    def group(self) -> str:
        """The model package group's name."""
        return f"{self.project}-model-group"


@dataclass(frozen=True, slots=True)
class Split:
    """How examples are shared out; the shares are of the counted rows, 0 to 1."""

    seed: int = _number(2140, 0, 2**31 - 1)  # the tutorial's
    validation: float = _number(0.1, 0.01, 0.4)
    test: float = _number(0.1, 0.01, 0.4)


@dataclass(frozen=True, slots=True)
class Train:
    """What a model is trained with.

    Attributes:
        recipe: linear or transformer; the section of that name holds its settings.
    """

    recipe: str = field(default=RECIPES[0], metadata={"choices": RECIPES})


@dataclass(frozen=True, slots=True)
class Linear:
    """The linear recipe; each default was chosen on validation (docs/experiments.md).

    Attributes:
        penalty: LinearSVC's C; larger trusts single titles more.
        word_gain: How much more a word or a pair of words counts than a run of letters of the same rarity.
        smoothing: What each code is taken to have seen of each piece before the first title.
        widest: Pieces that stood with more detailed codes than this don't count towards any of them.
        hidden: Units of the network's hidden layer.
        epochs: How often the network sees each title.
        rate: The highest rate at which the network learns.
        dropout: The share of hidden units left out at each step of its training.
        phrases: What a phrase of an occupation's description weighs, beside a title's 1, for the planes.
        codes_loss: What the network's loss of the detailed codes weighs, beside that of the major groups.
        seed: Of the order of rows and of all that is drawn.
    """

    penalty: float = _number(1.0, 1e-4, 1e4)
    word_gain: float = _number(2.0, 0.1, 100.0)
    smoothing: float = _number(0.03, 1e-6, 10.0)
    widest: int = _number(200, 1, 10_000)
    hidden: int = _number(256, 1, 4096)
    epochs: int = _number(12, 1, 1000)
    rate: float = _number(0.003, 1e-6, 1.0)
    dropout: float = _number(0.3, 0.0, 0.95)
    phrases: float = _number(0.5, 0.0, 100.0)
    codes_loss: float = _number(0.3, 0.0, 100.0)
    seed: int = _number(0, 0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Transformer:
    """The transformer recipe (extra `transformer`); the defaults are the tutorial's.

    Attributes:
        checkpoint: A folder with a Hugging Face checkpoint, or its name on the hub.
        epochs: At most; early stopping may end sooner.
        batch: Titles of one step, of all processes together: more machines change the speed, not the model.
        learning_rate: Its peak, after the warm-up; from there it falls to 0 in a straight line.
        warmup_steps: Steps in which it rises.
        weight_decay: Of AdamW, on weights but not on biases and norms.
        patience: Epochs without a better weighted F1 on validation before training stops.
        max_length: Tokens; the rest is cut. The longest training title of release 28.1 has 23, marks included.
        seed: Of the order of titles, the new head and dropout.
        checkpoint_minutes: At most this much work is lost where a process is killed without a word; 0 keeps each step.
    """

    checkpoint: str = "distilbert-base-uncased"
    epochs: int = _number(5, 1, 1000)
    batch: int = _number(32, 1, 65_536)
    learning_rate: float = _number(2e-5, 1e-8, 1.0)
    warmup_steps: int = _number(50, 0, 1_000_000)
    weight_decay: float = _number(0.01, 0.0, 1.0)
    patience: int = _number(3, 1, 1000)
    max_length: int = _number(32, 4, 512)
    seed: int = _number(0, 0, 2**31 - 1)
    checkpoint_minutes: float = _number(10.0, 0.0, 1440.0)


@dataclass(frozen=True, slots=True)
class Jobs:
    """How the pipeline's jobs are run on AWS; none of this has an effect on this machine.

    Attributes:
        subnets: Of the VPC that jobs run in, by id; with none they run in the service's own network.
        security_groups: Theirs, by id; with subnets, and only with them.
        kms_key: Encrypts what jobs leave in S3, by id or ARN; empty leaves it to the bucket.
        volume_kms_key: Encrypts their disks, likewise; instance types with disks of their own, such as ml.g5, refuse
            one, and encrypt those anyway.
        spot_wait_minutes: How much longer than its own limit a training may take to find spot instances; 0 takes
            instances on demand, for which new accounts have a quota.
    """

    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str = ""
    volume_kms_key: str = ""
    spot_wait_minutes: int = _number(0, 0, 10_080)


@dataclass(frozen=True, slots=True)
class Aws:
    """The account and what is named in it; what is empty follows from the project, or isn't wanted.

    Attributes:
        region: Else the environment's, or the profile's.
        account: 12 digits; other credentials are refused.
        bucket: An account's own, private one; else `{project}-{account}-{region}`, which the stack makes.
        pipeline_role: Runs the pipeline, by name or ARN, like those of jobs, endpoints and builds; else the stack's.
        tags: More of them on everything that is made, each KEY=VALUE.
        schedule: When the pipeline starts by itself, in UTC: cron(0 6 ? * MON *), rate(7 days).
        github: The repository OWNER/NAME whose pushes to `branch` start a build.
        connection: The account's connection to GitHub, an ARN; somebody has to accept it in the console once.
        email: Who hears of alarms and of the budget, `budget_usd` in a month; 0 is no budget.
        log_days: How long logs are kept; one of the periods that CloudWatch Logs has.
        prices: A file in the form of jobmajor's own price table, which it takes precedence over.
    """

    region: str = _text(r"[a-z]{2,3}(-[a-z]+)+-\d", "a region such as us-east-1")
    account: str = _text(r"\d{12}", "12 digits")
    bucket: str = _text(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket's name: 3 to 63 of a-z, 0-9, '.' and '-'")
    pipeline_role: str = _text(_ROLE, _ROLE_WORDS)
    job_role: str = _text(_ROLE, _ROLE_WORDS)
    endpoint_role: str = _text(_ROLE, _ROLE_WORDS)
    ci_role: str = _text(_ROLE, _ROLE_WORDS)
    tags: tuple[str, ...] = ()
    schedule: str = _text(r"(cron|rate|at)\(.+\)", "a schedule such as cron(0 6 ? * MON *) or rate(7 days)")
    github: str = _text(r"[\w.-]+/[\w.-]+", "OWNER/NAME")
    branch: str = "main"
    connection: str = _text(r"arn:[\w-]+:code(star-)?connections:.+", "the ARN of a connection")
    email: str = _text(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an address such as ann@example.org")
    budget_usd: float = _number(0.0, 0.0, 1e9)
    log_days: int = _number(90, 1, 3653)
    prices: str = ""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The weighted F1 that a candidate must exceed, 0 to 1; which one belongs to the data."""

    onet: float = _number(0.75, 0.0, 1.0)  # the tutorial's gate, on a split that is harder than its own
    # Starter titles are 7,000 and less ambiguous: 0.866 on validation. With some 690 test rows the figure moves by
    # 0.013 (one standard error), so 0.80 is passed by every sound model and by no broken one.
    starter: float = _number(0.80, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them, a section of the file each."""

    names: Names = field(default_factory=Names)
    split: Split = field(default_factory=Split)
    train: Train = field(default_factory=Train)
    linear: Linear = field(default_factory=Linear)
    transformer: Transformer = field(default_factory=Transformer)
    thresholds: Thresholds = field(default_factory=Thresholds)
    jobs: Jobs = field(default_factory=Jobs)
    aws: Aws = field(default_factory=Aws)

    @property
    def recipe(self) -> Linear | Transformer:
        """The settings of the chosen recipe."""
        chosen: Linear | Transformer = getattr(self, self.train.recipe)
        return chosen


def read(path: Path | None = None) -> Settings:
    """Return the settings in a file: the named one, else `jobmajor.toml` in the working folder, else the defaults.

    Raises:
        InputError: The named file isn't there or is no TOML; SettingError: a key or value can't be used.
    """
    found = path or Path(FILE)
    if path is None and not found.is_file():
        return Settings()
    try:
        body = tomllib.loads(found.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{found} can't be read ({error.strerror}): name a settings file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{found} is no TOML ({error}): mend it or leave it out") from error
    settings: Settings = build(Settings, body)
    return settings


def build(kind: Any, body: Mapping[str, Any], prefix: str = "") -> Any:
    """Return a settings dataclass from plain data; a number may be given as text, as a command line gives it."""
    settings = {item.name: item for item in fields(kind)}
    values = {}
    for key, value in body.items():
        name = f"{prefix}{key}"
        if key not in settings:
            raise SettingError(name, "an unknown key", f"one of {', '.join(settings)}")
        default = getattr(kind(), key)
        if is_dataclass(default):
            if not isinstance(value, dict):
                raise SettingError(name, value, f"a section [{name}]")
            values[key] = build(type(default), value, f"{name}.")
        else:
            values[key] = _checked(name, value, default, settings[key].metadata)
    return kind(**values)


def _checked(name: str, value: Any, default: Any, bounds: Mapping[str, Any]) -> Any:
    if isinstance(default, tuple):
        return _texts(name, value)
    return _word(name, value, default, bounds) if isinstance(default, str) else _figure(name, value, default, bounds)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
        raise SettingError(name, value, "a list of texts")
    return tuple(value)


def _word(name: str, value: Any, default: str, bounds: Mapping[str, Any]) -> str:
    """Return the text; only a setting that is empty by default may be empty."""
    choices, pattern = bounds.get("choices", ()), bounds.get("pattern")
    is_wanted = isinstance(value, str) and (value != "" or default == "")
    if not is_wanted or (choices and value not in choices):
        raise SettingError(name, value, f"one of {', '.join(choices)}" if choices else bounds.get("words", "text"))
    if value and pattern and not re.fullmatch(pattern, value):
        raise SettingError(name, value, bounds["words"])
    return str(value)


def _figure(name: str, value: Any, default: float, bounds: Mapping[str, Any]) -> Any:
    kind = type(default)
    low, high = bounds["low"], bounds["high"]
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    is_within = number is not None and low <= number <= high
    if isinstance(value, bool) or not is_within or float(value) != number:
        bounds_shown = (
            f"a whole number from {low:,} to {high:,}" if kind is int else f"a number from {low:g} to {high:g}"
        )
        raise SettingError(name, value, bounds_shown)
    return number


def home(named: Path | None = None) -> Path:
    """Return the workspace: the named one, else the variable JOBMAJOR_HOME, else `.jobmajor` in the working folder."""
    return named or Path(os.environ.get(HOME_VARIABLE) or HOME)

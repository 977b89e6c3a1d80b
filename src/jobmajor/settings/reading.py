"""Read jobmajor.toml: plain data becomes settings, and each key, type and value is checked."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmajor.errors import InputError, SettingError
from jobmajor.settings.sections import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "jobmajor.toml"
HOME, HOME_VARIABLE = ".jobmajor", "JOBMAJOR_HOME"


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
    if isinstance(default, bool):
        return _truth(name, value)
    return _word(name, value, default, bounds) if isinstance(default, str) else _figure(name, value, default, bounds)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SettingError(name, value, "true or false")
    return value


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

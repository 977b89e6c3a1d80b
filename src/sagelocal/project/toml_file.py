"""Read sagelocal.toml, so that a project runs without options; every unknown key is refused by name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition.fields import likely
from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME: Final = "sagelocal.toml"
_KEYS: Final = ("python", "images", "handlers", "parameters", "store", "profiles", "account")
_SERVICES: Final = ("secretsmanager", "ssm")
_OF_PROFILES: Final = ("handlers", "images", "parameters", "store")


@dataclass(frozen=True, slots=True)
class Project:
    """The settings of a project; paths are absolute.

    `images` are the environments or recipes of images by pattern: a path, or `recipe:NAME`. `endpoint` is that of
    another store than the workspace's folders, `s3` that the store is S3 itself. `account` is what scripts read of the
    account while they are compiled, by `ssm:NAME` or `secretsmanager:NAME`.
    """

    python: Path | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    handlers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    endpoint: str | None = None
    s3: bool = False
    account: Mapping[str, str] = field(default_factory=dict)


def load(folder: Path, profile: str | None = None) -> Project:
    """Return the settings in a folder's sagelocal.toml, with those of a profile above them; empty ones without a file.

    Raises:
        InputError: The file can't be read, a key or a value is not known, or there is no such profile.
    """
    path = folder / NAME
    if not path.exists():
        if profile is not None:
            raise InputError(f"--profile {profile}: there is no {path}, which would have it")
        return Project()
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}: correct it") from error
    return _project(raw, path, profile)


def _project(raw: dict[str, Any], path: Path, profile: str | None) -> Project:
    _only(raw, _KEYS, path, "")
    profiles = _table(raw, "profiles", path)
    for name in profiles:
        _only(_table(profiles, name, path), _OF_PROFILES, path, f"profiles.{name}.")
    if profile is not None and profile not in profiles:
        raise InputError(f"--profile {profile}: {path} has none of that name{likely(profile, profiles)}")
    above = profiles[profile] if profile else {}
    merged = {key: {**_table(raw, key, path), **_table(above, key, path)} for key in _OF_PROFILES}
    _only(merged["store"], ("endpoint", "s3"), path, "store.")
    python = raw.get("python")
    return Project(
        python=path.parent / _text(python, "python", path) if python is not None else None,
        images={pattern: _image(value, pattern, path) for pattern, value in merged["images"].items()},
        handlers={name: _text(value, f"handlers.{name}", path) for name, value in merged["handlers"].items()},
        parameters={name: _parameter(value, name, path) for name, value in merged["parameters"].items()},
        endpoint=merged["store"].get("endpoint"),
        s3=merged["store"].get("s3") is True,
        account={name: _answer(value, name, path) for name, value in _table(raw, "account", path).items()},
    )


def _only(table: Mapping[str, Any], known: tuple[str, ...], path: Path, location: str) -> None:
    for key in table:
        if key not in known:
            raise InputError(f"{path}: {location}{key} is no setting{likely(key, known)}")


def _table(raw: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    found = raw.get(key, {})
    if not isinstance(found, dict):
        raise InputError(f"{path}: {key} is {found!r}, expected a table")
    return found


def _text(value: Any, key: str, path: Path) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{path}: {key} is {value!r}, expected text")
    return value


def _parameter(value: Any, name: str, path: Path) -> Any:
    if not isinstance(value, str | int | float | bool):
        raise InputError(f"{path}: parameters.{name} is {value!r}, expected text, a number, true or false")
    return value


def _answer(value: Any, name: str, path: Path) -> str:
    service, sign, of = name.partition(":")
    if service not in _SERVICES or not sign or not of:
        raise InputError(f"{path}: account.{name} is no setting, expected ssm:NAME or secretsmanager:NAME")
    return _text(value, f"account.{name}", path)


def _image(value: Any, pattern: str, path: Path) -> str:
    """Return the folder of an environment, or `recipe:NAME`."""
    match value:
        case str(folder) if folder:
            return str(path.parent / folder)
        case {"environment": str(folder)} if len(value) == 1:
            return str(path.parent / folder)
        case {"recipe": str(name)} if len(value) == 1:
            return f"recipe:{name}"
    raise InputError(f"{path}: images.{pattern} is {value!r}, expected a folder, {{environment}} or {{recipe}}")

"""Run a script as `python script.py` would, find its pipeline, and write the definition that the SDK makes of it.

`script` starts this file with the interpreter that has the SDK, so it uses the standard library only and must work on
every Python that an SDK works on. Its argument is a JSON file that says what to do; it writes another with the answer.
"""

from __future__ import annotations

import importlib.machinery
import inspect
import json
import os
import sys
import traceback
import types
from typing import Any


class Refused(Exception):
    """There is no pipeline, or more than one; the message says so in words."""


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the answer: `definition` and `name`, or `fault`; with `ended`, the script ended itself."""
    os.chdir(spec["cwd"])
    guard = sys.modules.get("sitecustomize")
    if getattr(guard, "_SPEC", None) is None:
        return {
            "fault": "this interpreter loads no sitecustomize, so nothing would hold its calls back",
            "kind": "Refused",
        }
    try:
        _lead_here()
        return _pipeline(_executed(spec), spec)
    except SystemExit as error:
        if error.code in (None, 0):
            return {"ended": True}
        return {"fault": f"it ended with status {error.code!r}", "kind": "SystemExit"}
    except Refused as error:
        return {"fault": str(error), "kind": "Refused"}
    except BaseException as error:
        traceback.print_exc()
        return {
            "fault": _where(error, spec["script"]),
            "kind": type(error).__name__,
            "name": getattr(error, "name", None),
        }


def _executed(spec: dict[str, Any]) -> types.ModuleType:
    """Run the script as `__main__`, and return its module."""
    path = spec["script"]
    module = types.ModuleType("__main__")
    module.__file__, module.__package__ = path, spec["package"] or None
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    sys.modules["__main__"] = module
    sys.argv = [path, *spec["argv"]]
    sys.path[:1] = spec["path"]  # instead of the folder of this file
    with open(path, "rb") as file:  # noqa: PTH123 - start-up time
        code = compile(file.read(), path, "exec", dont_inherit=True)  # this file's __future__ is not the script's
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the script is what was asked
    except SystemExit as error:
        if error.code not in (None, 0):
            raise
    return module


def _pipeline(module: types.ModuleType, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the definition of the pipeline that the script has, makes, or has handed in."""
    names = vars(module)
    if spec["name"]:
        if spec["name"] not in names:
            raise Refused("it has no {!r}: name a pipeline, or a function that returns one".format(spec["name"]))
        found = names[spec["name"]]
        return _answer(found if _is_pipeline(found) else _called(found, spec["name"], spec))
    if os.path.exists(spec["handed_in"]):  # noqa: PTH110 - start-up time
        return {"ended": True}
    found = {id(value): (name, value) for name, value in names.items() if _is_pipeline(value)}
    if len(found) > 1:
        listed = ", ".join(sorted(name for name, _ in found.values()))
        raise Refused(
            "it has several pipelines ({}): name one, as in script.py:{}".format(listed, listed.split(",")[0])
        )
    if found:
        return _answer(next(iter(found.values()))[1])
    if callable(names.get("get_pipeline")):
        return _answer(_called(names["get_pipeline"], "get_pipeline", spec))
    return {"ended": True}


def _called(function: Any, name: str, spec: dict[str, Any]) -> Any:
    """Call what returns a pipeline with the arguments that it has names for."""
    if not callable(function):
        raise Refused(f"{name!r} is a {type(function).__name__}, no pipeline and no function")
    parameters = inspect.signature(function).parameters
    open_ended = any(item.kind is item.VAR_KEYWORD for item in parameters.values())
    unknown = sorted(set(spec["arguments"]) - set(parameters))
    if unknown and not open_ended:
        raise Refused("{}() takes no argument {}".format(name, ", ".join(unknown)))
    given = {key: value for key, value in spec["known"].items() if key in parameters}
    given.update((key, _read(text, key, parameters.get(key))) for key, text in spec["arguments"].items())
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        key
        for key, item in parameters.items()
        if item.default is item.empty and item.kind not in kinds and key not in given
    ]
    if missing:
        raise Refused("{}() needs {}: give each with --argument NAME=VALUE".format(name, ", ".join(missing)))
    found = function(**given)
    if not _is_pipeline(found):
        if hasattr(found, "steps") and getattr(found, "name", "") is None:
            needed = [key for key in parameters if "name" in key and key not in given]
            advice = " or ".join(f"--argument {key}=VALUE" for key in needed) or "name it in the script"
            raise Refused(f"{name}() returned a pipeline whose name is None: {advice}")
        raise Refused(f"{name}() returned a {type(found).__name__}, expected a pipeline")
    return found


def _read(text: str, name: str, parameter: inspect.Parameter | None) -> Any:
    """Return an argument as the number or truth value that the function's annotation, or else its default, asks for."""
    if parameter is None:
        return text
    asked = parameter.annotation
    if asked is parameter.empty:
        asked = type(parameter.default)
    kind = asked if isinstance(asked, str) else getattr(asked, "__name__", "")
    readers: dict[str, Any] = {"int": int, "float": float, "bool": {"true": True, "false": False}.__getitem__}
    if kind not in readers:
        return text
    try:
        return readers[kind](text.lower())
    except (KeyError, ValueError):
        raise Refused(f"--argument {name}={text!r} is no {kind}, which the function asks for") from None


def _is_pipeline(value: Any) -> bool:
    """Return whether a value is a pipeline of an SDK, whichever version it is of."""
    return (
        not isinstance(value, type)
        and callable(getattr(value, "definition", None))
        and hasattr(value, "steps")
        and isinstance(getattr(value, "name", None), str)
    )


def _answer(pipeline: Any) -> dict[str, Any]:
    text = pipeline.definition()
    return {"definition": text if isinstance(text, str) else json.dumps(text), "name": pipeline.name}


def _where(error: BaseException, script: str) -> str:
    """Return what was raised, and where in the script."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == script]
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text + (f" (line {lines[-1].lineno})" if lines else "")


def _lead_here() -> None:
    """Lead clients to the stand-in that name a profile or an endpoint, in the script or deep in the SDK."""
    try:
        from botocore import session  # noqa: PLC0415 - the SDK's own, if there is one
    except ImportError:
        return
    kind = session.Session
    build, configure, create = kind._build_profile_map, kind.set_config_variable, kind.create_client

    class Profiles(dict[str, Any]):
        def __contains__(self, _name: object) -> bool:
            return True

        def __missing__(self, _name: str) -> dict[str, Any]:
            return {}

    def set_config_variable(self: Any, name: str, value: Any) -> None:
        if name != "profile":  # else botocore would take no credentials of the environment
            configure(self, name, value)

    def create_client(self: Any, *arguments: Any, **named: Any) -> Any:
        given = inspect.signature(create).bind(self, *arguments, **named)
        given.arguments["endpoint_url"] = os.environ["AWS_ENDPOINT_URL"]
        return create(*given.args, **given.kwargs)

    kind._build_profile_map = lambda self: Profiles(build(self) or {})
    kind.set_config_variable, kind.create_client = set_config_variable, create_client


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as _file:  # noqa: PTH123 - start-up time
        _spec = json.load(_file)
    _given = main(_spec)
    _part = _spec["answer"] + ".part"  # this process may be ended while it writes
    with open(_part, "w", encoding="utf-8") as _file:  # noqa: PTH123 - start-up time
        json.dump(_given, _file)
    os.replace(_part, _spec["answer"])  # noqa: PTH105 - start-up time
    sys.stdout.flush()

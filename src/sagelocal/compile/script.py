"""Run a script with a stand-in for the account, and take the definition that its SDK makes.

The script's process reaches this program and nothing else: in a network namespace of its own where the machine has
them, and by an audit hook (`guard`) in any case. Its credentials, its AWS configuration and its home are empty ones.
What it uploads becomes objects of the workspace.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sagelocal.compile import child, guard
from sagelocal.errors import ArtifactError, InputError
from sagelocal.jobs import sandbox
from sagelocal.loopback import endpoint
from sagelocal.loopback.account import Account
from sagelocal.loopback.s3 import S3
from sagelocal.storage import archive, lock
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ACCOUNT: Final = "000000000000"
REGION: Final = "us-east-1"
_PORT: Final = 8080  # in the script's own network
_PAUSE_S: Final = 0.1
_DEFINITION_BYTES: Final = 64 * 2**20
# Of the caller's environment, what leads to an account, to a network or to settings that differ from user to user.
_DROPPED: Final = re.compile(r"(?i)AWS_|BOTO|DOCKER_|SSH_|XDG_|SAGELOCAL_|.*_proxy$|HOME$|VIRTUAL_ENV$|PYTHONHOME$")
_CODE: Final = "sourcedir.tar.gz"  # as the SDKs call it
_NO_TELEMETRY: Final = "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How to compile a script.

    `python` is an interpreter that has the SDK, by default the one that runs this program. `name` is a pipeline in the
    script, or a function that returns one. `arguments` are arguments of that function, `argv` those of the script.
    `account` is what the script may read of the account, by `ssm:NAME` or `secretsmanager:NAME`.
    Without `namespace`, the script gets no network of its own, and the audit hook alone holds its calls back, as on
    machines that have no namespaces.
    """

    python: Path | None = None
    name: str | None = None
    account: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    argv: Sequence[str] = ()
    region: str = REGION
    bucket: str | None = None
    max_runtime_s: float = 1800.0
    namespace: bool = True


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled script: the definition's bytes as the SDK wrote them, and the pipeline's name.

    `parameters` are those of the execution that the script started, `selected` the steps that it is to run; empty means
    all. `uploads` are the addresses of the objects that it put. `refused` are the calls that were held back, whether or
    not the script went on without an answer.
    """

    definition: bytes
    name: str
    parameters: Mapping[str, str]
    uploads: tuple[str, ...]
    refused: tuple[str, ...]
    selected: tuple[str, ...] = ()


def run(script: Path, home: Path, options: CompileOptions | None = None) -> Compiled:
    """Compile a script; what it uploads becomes objects of the workspace `home`.

    Raises:
        InputError: The script fails, has no pipeline, or needs more than this machine.
    """
    options = options or CompileOptions()
    if not script.is_file():
        raise InputError(f"{script}: no such file: name a Python script that defines a pipeline")
    python = _interpreter(options.python)
    folder = home.absolute() / "compile"
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="script-", dir=folder))
    try:
        return _Compilation(script.absolute(), home.absolute(), scratch, options).run(python)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _interpreter(python: Path | None) -> Path:
    if python is None:
        return Path(sys.executable)
    found = python / "bin" / "python" if python.is_dir() else Path(shutil.which(python) or python)
    if not os.access(found, os.X_OK):
        raise InputError(f"--python {python}: no program: name the Python of an environment that has the SDK")
    return found.absolute()


@dataclass(frozen=True, slots=True)
class _Compilation:
    script: Path
    home: Path
    scratch: Path
    options: CompileOptions

    def run(self, python: Path) -> Compiled:
        log = self.home / "compile" / "log.txt"
        log.unlink(missing_ok=True)
        account = Account(ACCOUNT, self.options.region, mark=self.scratch / "handed-in", values=self.options.account)
        store = FolderStore(self.home / "s3")
        s3 = S3(store, self.scratch / "uploads")
        self._lay_out(account)
        ended = self._carry_out(python, log, account, s3)
        answer = self._answer()
        refused = tuple(dict.fromkeys((*self._refused(), *account.refused)))
        if ("fault" in answer or ended.failed) and not account.waits.is_set():
            raise InputError(self._fault(python, answer, ended, refused))
        self._settle(s3)
        name, definition = self._definition(answer, account, store)
        started = account.started.get(name, {})
        return Compiled(definition, name, started, tuple(s3.written), refused, account.selected.get(name, ()))

    def _lay_out(self, account: Account) -> None:
        """Write what the script's process reads: its task, the guard, and empty AWS files."""
        for name in ("site", "home", "tmp", "uploads"):
            (self.scratch / name).mkdir()
        shutil.copy(guard.__file__, self.scratch / "site" / "sitecustomize.py")
        for name in ("config", "credentials"):
            (self.scratch / name).touch()
        (self.scratch / "sdk.yaml").write_text(_NO_TELEMETRY, "utf-8")
        root, package = _package_of(self.script)
        spec = {
            "script": str(self.script),
            "cwd": str(Path.cwd()),
            "package": package,
            "path": [str(self.script.parent), *([str(root)] if package else [])],
            "argv": list(self.options.argv),
            "name": self.options.name,
            "arguments": dict(self.options.arguments),
            "known": self._known(account),
            "handed_in": str(account.mark),
            "answer": str(self.scratch / "answer.json"),
        }
        (self.scratch / "spec.json").write_text(json.dumps(spec), "utf-8")

    def _known(self, account: Account) -> dict[str, str]:
        """Return what AWS's templates ask of `get_pipeline`, by the names of its arguments."""
        bucket = self.options.bucket or f"sagemaker-{account.region}-{account.number}"
        return {"region": account.region, "role": account.role, "role_arn": account.role, "default_bucket": bucket}

    def _carry_out(self, python: Path, log: Path, account: Account, s3: S3) -> sandbox.Exit:
        """Run the script, in a network of its own if the machine gives it one."""
        for isolated in (True, False) if self.options.namespace else (False,):
            with self._started(python, log, (account, s3), isolated=isolated) as running:
                while not running.ends_within(_PAUSE_S):
                    if account.waits.is_set():
                        running.stop()
                ended = running.wait()
            if not (isolated and ended.fault.startswith("namespace")):
                break
        return ended

    @contextmanager
    def _started(
        self, python: Path, log: Path, services: tuple[Account, S3], *, isolated: bool
    ) -> Iterator[sandbox.Running]:
        account, s3 = services
        key = endpoint.new_key()
        with ExitStack() as held:
            ours, theirs = map(held.enter_context, socket.socketpair())
            listener = None if isolated else endpoint.listen()
            port = listener.getsockname()[1] if listener else _PORT
            command = sandbox.Command(
                argv=(str(python), str(child.__file__), str(self.scratch / "spec.json")),
                variables=self._variables(python, (port, key), isolated=isolated),
                prefix=python.parent.parent,
                folder=self.scratch,
                log=log,
                mounted=False,
                lock=held.enter_context(lock.wait_for(self.scratch / "lock")),
                max_runtime_s=self.options.max_runtime_s,
                grace_s=1.0,
                listener=theirs.fileno() if isolated else None,
            )
            running = held.enter_context(sandbox.Running(command))
            theirs.close()
            listener = listener or _handed_out(ours)
            if listener:
                held.enter_context(endpoint.serve(listener, key, {"s3": s3}, account))
            yield running

    def _variables(self, python: Path, address: tuple[int, str], *, isolated: bool) -> dict[str, str]:
        port, key = address
        guarded = {
            "port": None if isolated else port,
            "folder": os.path.realpath(self.scratch),
            "refused": str(self.scratch / "refused"),
        }
        paths = [str(self.scratch / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
        kept = {name: value for name, value in os.environ.items() if not _DROPPED.match(name)}
        return {
            **kept,
            **endpoint.variables(port, key, self.options.region),
            "AWS_CONFIG_FILE": str(self.scratch / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.scratch / "credentials"),
            "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(self.scratch / "sdk.yaml"),
            "DOCKER_HOST": "tcp://127.0.0.1:9",
            "HOME": str(self.scratch / "home"),
            "TMPDIR": str(self.scratch / "tmp"),
            "PATH": os.pathsep.join(filter(None, [str(python.parent), os.environ.get("PATH", "")])),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SAGELOCAL_GUARD": json.dumps(guarded),
        }

    def _settle(self, s3: S3) -> None:
        """Take the times out of the SDK's archives of code, else each compilation would give a training new inputs."""
        for uri in dict.fromkeys(s3.written):
            path, plain = s3.store.path(uri), self.scratch / _CODE
            if path.name == _CODE and path.is_file():
                with suppress(ArtifactError), s3.store.changing():
                    archive.without_times(path, plain)
                    plain.replace(path)

    def _answer(self) -> dict[str, Any]:
        path = self.scratch / "answer.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    def _refused(self) -> tuple[str, ...]:
        path = self.scratch / "refused"
        return tuple(dict.fromkeys(path.read_text("utf-8").splitlines())) if path.exists() else ()

    def _fault(self, python: Path, answer: Mapping[str, Any], ended: sandbox.Exit, refused: Sequence[str]) -> str:
        log = self.home / "compile" / "log.txt"
        name = str(answer.get("name") or "")
        if answer.get("kind") == "ModuleNotFoundError" and name.startswith("sagemaker."):
            return (
                f"{self.script}: the SDK of {python} has no module {name!r}, so the script is for another version of "
                "it: name an interpreter that has that version with --python"
            )
        if answer.get("kind") == "ModuleNotFoundError" and name in {"sagemaker", "boto3"}:
            return (
                f"{self.script}: {python} has no module {name!r}, which the script imports: name an interpreter that "
                "has the SDK with --python"
            )
        fault = answer.get("fault") or ended.fault or ("it ran too long" if ended.timed_out else str(ended))
        if not refused:
            return f"{self.script}: {fault} (its output: {log})"
        held = ", ".join(refused[:3])
        return f"{self.script}: {fault}; a script reaches no account here, and it asked for {held} (its output: {log})"

    def _definition(self, answer: Mapping[str, Any], account: Account, store: FolderStore) -> tuple[str, bytes]:
        if "definition" in answer:
            return str(answer["name"]), str(answer["definition"]).encode()
        if not account.pipelines:
            raise InputError(
                f"{self.script} has no pipeline: expected one in a variable, a function get_pipeline, or a call of "
                f"upsert; name what returns it, as in {self.script.name}:make_pipeline"
            )
        name, text = next(reversed(account.pipelines.items()))
        data = store.read(text, _DEFINITION_BYTES) if text.startswith("s3://") else text.encode()
        return name, data


def _package_of(script: Path) -> tuple[Path, str]:
    """Return the folder that holds a script's outermost package, and the package's name; empty if it is in none."""
    folder, names = script.parent, []
    while (folder / "__init__.py").exists():
        names.append(folder.name)
        folder = folder.parent
    return folder, ".".join(reversed(names))


def _handed_out(channel: socket.socket) -> socket.socket | None:
    """Return the listening socket of the script's network; None if the machine gives it no network."""
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    return socket.socket(fileno=descriptors[0]) if descriptors else None

"""Scripts are compiled by their own SDK; whatever they try, no call leaves this machine.

The scripts here use a stand-in for the SDK, a class of a few lines on boto3. `test_sdk_scripts` uses the SDKs.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal import cli
from sagelocal.compile import command, script
from sagelocal.compile.script import CompileOptions
from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SDK = '''
import json

class Pipeline:
    """What all versions of the SDK have in common."""
    def __init__(self, name, message="no"):
        self.name, self.message = name, message
        self.steps = [{"Name": "fail", "Type": "Fail", "Arguments": {"ErrorMessage": message}}]

    def definition(self):
        parameters = [{"Name": "Why", "Type": "String", "DefaultValue": "-"}]
        return json.dumps({"Version": "2020-12-01", "Parameters": parameters, "Steps": self.steps})

    def upsert(self, client):
        role = "arn:aws:iam::000000000000:role/sagelocal"
        client.create_pipeline(PipelineName=self.name, PipelineDefinition=self.definition(), RoleArn=role)
'''


TEMPLATE = """
def get_pipeline(region, role=None, default_bucket=None, pipeline_name="-"):
    return Pipeline("-".join([region, role.rpartition("/")[2], default_bucket, pipeline_name]))
"""


TYPED = """
def get_pipeline(rows: int, share: "float", cached=True, kind=None):
    return Pipeline(f"{rows + 1}, {share + 0.25}, {cached}, {kind!r}")
"""
OTHER_SDK = """
import types
sys.modules["sagemaker"] = types.ModuleType("sagemaker")
sys.modules["sagemaker"].__path__ = []
import sagemaker.elsewhere
"""


def write(folder: Path, text: str, name: str = "pipeline.py") -> Path:
    (folder / "sdk.py").write_text(SDK)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("import sys\nfrom sdk import Pipeline\n" + text)
    return path


def compiled(tmp_path: Path, text: str, **options: Any) -> script.Compiled:
    return script.run(write(tmp_path, text), tmp_path / "home", CompileOptions(**options))


@pytest.mark.parametrize(
    ("text", "options", "name"),
    [
        ("p = Pipeline('variable')", {}, "variable"),
        ("p = Pipeline('one'); again = p", {}, "one"),
        ("a, b = Pipeline('a'), Pipeline('b')", {"name": "b"}, "b"),
        ("def make(): return Pipeline('made')", {"name": "make"}, "made"),
        (
            TEMPLATE,
            {"region": "eu-west-1", "arguments": {"pipeline_name": "abalone"}},
            "eu-west-1-sagelocal-sagemaker-eu-west-1-000000000000-abalone",
        ),
        ("if __name__ == '__main__':\n    p = Pipeline(sys.argv[1])\n    sys.exit(0)", {"argv": ["main"]}, "main"),
        ("def f(x: int): pass\np = Pipeline(f.__annotations__['x'].__name__)", {}, "int"),
        (TYPED, {"arguments": {"rows": "3", "share": "0.5", "cached": "false", "kind": "4"}}, "4, 0.75, False, '4'"),
    ],
)
def test_pipeline_of_a_script_is_found(text: str, options: dict[str, Any], name: str, tmp_path: Path) -> None:
    found = compiled(tmp_path, text, **options)

    assert found.name == name
    assert json.loads(found.definition)["Steps"][0]["Name"] == "fail"
    assert found.refused == ()


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", {}, "has no pipeline: expected one in a variable, a function get_pipeline, or a call of upsert"),
        ("a, b = Pipeline('a'), Pipeline('b')", {}, "several pipelines (a, b): name one"),
        ("", {"name": "x"}, "it has no 'x'"),
        ("x = 3", {"name": "x"}, "'x' is a int, no pipeline and no function"),
        ("def x(): return 3", {"name": "x"}, "x() returned a int"),
        ("def x(a, b, c=1): pass", {"name": "x", "arguments": {"a": "1"}}, "x() needs b"),
        ("def x(): pass", {"name": "x", "arguments": {"a": "1"}}, "x() takes no argument a"),
        ("def x(a: int): pass", {"name": "x", "arguments": {"a": "many"}}, "--argument a='many' is no int"),
        ("def f():\n    raise KeyError('gone')\nf()", {}, "KeyError: 'gone' (line 4)"),
        ("sys.exit(3)", {}, "it ended with status 3"),
        ("import os\nos._exit(4)", {}, "exit code 4"),
        ("import sagemaker.workflow", {}, "has no module 'sagemaker', which the script imports"),
        ("def get_pipeline(pipeline_name=None): return Pipeline(pipeline_name)", {}, "--argument pipeline_name=VALUE"),
        (OTHER_SDK, {}, "has no module 'sagemaker.elsewhere', so the script is for another version"),
        ("nonsense here", {}, "SyntaxError"),
        ("import time\ntime.sleep(60)", {"max_runtime_s": 0.5}, "it ran too long"),
    ],
)
def test_script_without_one_pipeline_is_refused_in_words(
    text: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        compiled(tmp_path, text, **options)

    assert said in str(caught.value)
    assert [path.name for path in (tmp_path / "home" / "compile").iterdir()] in ([], ["log.txt"])


def test_script_that_is_not_there_and_a_python_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file: name a Python script"):
        script.run(tmp_path / "no.py", tmp_path)
    with pytest.raises(InputError, match="no program: name the Python of an environment"):
        script.run(write(tmp_path, ""), tmp_path, CompileOptions(python=tmp_path / "nowhere"))


def test_script_in_a_package_imports_what_lies_beside_it(tmp_path: Path) -> None:
    for name in ("pipelines/__init__.py", "pipelines/abalone/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "pipelines" / "names.py").write_text("NAME = 'in-a-package'")
    text = "from pipelines.names import NAME\nfrom ..names import NAME as same\np = Pipeline(NAME)"
    path = write(tmp_path, text, "pipelines/abalone/pipeline.py")

    assert script.run(path, tmp_path / "home").name == "in-a-package"


UPSERT = """
import boto3
session = boto3.Session(profile_name="production", region_name="eu-west-1")
def main():
    client = session.client("sagemaker", endpoint_url="https://api.sagemaker.eu-west-1.amazonaws.com")
    Pipeline("kept", "said").upsert(client)
    client.start_pipeline_execution(PipelineName="kept", PipelineParameters=[{"Name": "Why", "Value": "so"}])
    while client.describe_pipeline_execution(PipelineExecutionArn=arn(client))["PipelineExecutionStatus"]:
        pass
    raise SystemExit(3)
def arn(client):
    return client.describe_pipeline(PipelineName="kept")["PipelineArn"] + "/execution/compiled"
if __name__ == "__main__":
    main()
"""


def test_upsert_and_start_are_taken_and_the_wait_for_an_outcome_ends_the_script(tmp_path: Path) -> None:
    found = compiled(tmp_path, UPSERT)

    assert (found.name, found.parameters, found.refused) == ("kept", {"Why": "so"}, ())
    assert json.loads(found.definition)["Steps"][0]["Arguments"] == {"ErrorMessage": "said"}


SELECT = """
import boto3
client = boto3.client("sagemaker")
Pipeline("parts").upsert(client)
assert not client.list_pipeline_executions(PipelineName="parts")["PipelineExecutionSummaries"]
part = {"SelectedSteps": [{"StepName": "fail"}]}
client.start_pipeline_execution(PipelineName="parts", SelectiveExecutionConfig=part)
"""


def test_steps_that_a_script_selects_are_those_that_a_run_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, home = write(tmp_path, SELECT), tmp_path / "home"

    status = cli.main(["run", str(path), "--home", str(home), "--json"])

    assert status == 1  # the step that it selects fails
    assert json.loads(capsys.readouterr().out)["selected"] == ["fail"]
    assert compiled(tmp_path, SELECT).selected == ("fail",)


READ = """
import boto3
parameter = boto3.client("ssm").get_parameter(Name="/ml/team", WithDecryption=True)["Parameter"]["Value"]
secret = boto3.client("secretsmanager").get_secret_value(SecretId="role")["SecretString"]
p = Pipeline(f"{parameter}-{secret}")
"""


def test_script_reads_of_the_account_what_the_project_gives_and_nothing_else(tmp_path: Path) -> None:
    given = {"ssm:/ml/team": "blue", "secretsmanager:role": "own"}

    found = compiled(tmp_path, READ, account=given)
    with pytest.raises(InputError) as caught:
        compiled(tmp_path, READ, account={"ssm:/ml/team": "blue"})

    assert (found.name, found.refused) == ("blue-own", ())
    assert 'give "secretsmanager:role" a value in [account] of sagelocal.toml' in str(caught.value)


UPLOAD = """
import boto3, os
from pathlib import Path
os.environ["AWS_ACCESS_KEY_ID"] = "AKIAOFSOMEBODY"
session = boto3.Session(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="secret")
assert session.client("sts").get_caller_identity()["Account"] == "000000000000"
arn = session.client("iam").get_role(RoleName="own")["Role"]["Arn"]
s3 = session.client("s3", endpoint_url="https://s3.us-east-1.amazonaws.com")
s3.create_bucket(Bucket="bkt")
s3.put_object(Bucket="bkt", Key="code/a.py", Body=b"print(1)")
Path(os.environ["TMPDIR"], "big").write_bytes(b"x" * 9_000_000)  # more than one part
s3.upload_file(str(Path(os.environ["TMPDIR"], "big")), "bkt", "data/big")
assert not Path("~/.aws").expanduser().exists()
try:
    session.client("ssm").get_parameter(Name="secret")
except session.client("ssm").exceptions.ClientError as error:
    assert "no account is asked here" in str(error)
p = Pipeline(arn.rpartition("/")[2])
"""


def test_uploads_become_objects_of_the_workspace_whosever_credentials_the_script_has(tmp_path: Path) -> None:
    found = compiled(tmp_path, UPLOAD)

    bucket = tmp_path / "home" / "s3" / "bkt"
    assert (bucket / "code" / "a.py").read_text() == "print(1)"
    assert (bucket / "data" / "big").read_bytes() == b"x" * 9_000_000
    assert found.uploads == ("s3://bkt/code/a.py", "s3://bkt/data/big")
    assert (found.name, found.refused) == ("own", ("ssm:GetParameter",))


# Each line is a way out of the machine; {port} and {path} lead to servers of the test, which are outside of the script.
WAYS_OUT = """
import os, socket, subprocess, urllib.request
def tries(way):
    try:
        way()
    except (OSError, subprocess.CalledProcessError) as error:
        return
    raise SystemExit(f"got out: {{way}}")
def unix():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect({path!r})
def run(*words):
    return subprocess.run(words, check=True, capture_output=True, timeout=20)
def unguarded():
    code = "import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
    run(sys.executable, "-I", "-S", "-c", code)
tries(lambda: socket.create_connection(("127.0.0.1", {port}), 5))
tries(lambda: socket.create_connection(("192.0.2.1", 443), 5))
tries(lambda: socket.create_connection(("169.254.169.254", 80), 5))
tries(lambda: socket.getaddrinfo("sts.amazonaws.com", 443))
tries(lambda: socket.gethostbyname("s3.amazonaws.com"))
tries(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
tries(lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 443)))
tries(lambda: urllib.request.urlopen("https://sagemaker.us-east-1.amazonaws.com", timeout=5))
tries(lambda: run(sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 443), 5)"))
tries(lambda: run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/{port}"))
tries(unguarded)
tries(unix)
p = Pipeline("still-here")
"""


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Servers on the loopback and on a Unix socket that note who connects: the port, the path, the notes."""
    seen: list[str] = []
    path = str(tmp_path / "u.sock")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()

        def note(server: socket.socket, name: str) -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return
                seen.append(name)

        threads = [threading.Thread(target=note, args=pair) for pair in ((tcp, "tcp"), (unix, "unix"))]
        for thread in threads:
            thread.start()
        yield tcp.getsockname()[1], path, seen
        for server in (tcp, unix):
            server.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("namespace", [True, False])
def test_no_way_leads_out_of_the_script(
    namespace: bool,
    outside: tuple[int, str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("needs bash, which opens connections without any library")
    port, path, seen = outside
    for name, value in {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": "https://s3.us-east-1.amazonaws.com",
        "HTTPS_PROXY": f"http://127.0.0.1:{port}",
        "http_proxy": f"http://127.0.0.1:{port}",
    }.items():
        monkeypatch.setenv(name, value)

    found = compiled(tmp_path, WAYS_OUT.format(port=port, path=path), namespace=namespace)

    assert found.name == "still-here"
    assert seen == []
    assert {"192.0.2.1", "192.0.2.1:53", "169.254.169.254", "sts.amazonaws.com", "s3.amazonaws.com"} <= set(
        found.refused
    )
    assert f"the Unix socket {path}" in found.refused


def test_credentials_and_settings_of_the_caller_stay_with_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE", "BOTO_CONFIG", "SSH_AUTH_SOCK", "no_proxy"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("OWN_SETTING", "kept")
    text = "import os\nassert 'mine' not in os.environ.values()\np = Pipeline(os.environ['OWN_SETTING'])"

    assert compiled(tmp_path, text).name == "kept"


def test_what_the_script_was_refused_is_named_where_it_fails(tmp_path: Path) -> None:
    text = "import socket\nsocket.create_connection(('192.0.2.1', 443))"

    with pytest.raises(InputError, match=r"is refused \(line 4\).*asked for 192\.0\.2\.1 "):
        compiled(tmp_path, text)


def test_code_that_the_sdk_packs_again_is_the_same_object(tmp_path: Path) -> None:
    text = """
import boto3, io, tarfile, time
made = io.BytesIO()
with tarfile.open(fileobj=made, mode="w:gz") as packed:
    member = tarfile.TarInfo("fit.py")
    member.size, member.mtime = 8, time.time_ns() // 1000
    packed.addfile(member, io.BytesIO(b"print(1)"))
client = boto3.client("s3")
client.put_object(Bucket="bkt", Key="code/sourcedir.tar.gz", Body=made.getvalue())
client.put_object(Bucket="bkt", Key="odd/sourcedir.tar.gz", Body=b"no archive")
pipeline = Pipeline("packs")
"""
    pytest.importorskip("boto3", reason="the scripts are on boto3")
    code = tmp_path / "home" / "s3" / "bkt" / "code" / "sourcedir.tar.gz"

    compiled(tmp_path, text)
    first = code.read_bytes()
    compiled(tmp_path, text)

    assert code.read_bytes() == first
    with tarfile.open(code) as packed:
        assert packed.getnames() == ["fit.py"]
    assert (code.parents[1] / "odd" / "sourcedir.tar.gz").read_bytes() == b"no archive"


def test_definition_is_written_unchanged_and_no_other_file_is_replaced(tmp_path: Path) -> None:
    made = script.Compiled(b'{"Version":  "2020-12-01", "Steps": []}', "p", {}, (), ())
    target = tmp_path / "out.json"

    assert command.write(made, "x.py:make", target) == target
    assert command.write(made, "x.py", target).read_bytes() == made.definition
    target.write_text('{"mine": 1}')
    with pytest.raises(InputError, match="is no definition, so it is not replaced"):
        command.write(made, "x.py", target)


def test_interpreter_without_the_guard_compiles_nothing(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I "$@"\n')
    python.chmod(0o755)

    with pytest.raises(InputError, match="loads no sitecustomize"):
        compiled(tmp_path, "p = Pipeline('p')", python=python)

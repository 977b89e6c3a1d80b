"""A model exported to MLflow: loaded, served and asked by MLflow itself; N rows get N answers, each its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pandas
import pytest
import yaml

from jobmajor import soc
from jobmajor.cli import main
from jobmajor.errors import ArtifactError, InputError, MissingExtra
from jobmajor.registry import mlflow_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobmajor.model.classifier import Classifier

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of MLflow's own types
TITLES = ["Registered Nurse", None, "Cashier", "Truck Driver", "", "看護師", "Cashier"]
COLUMNS = ["code", "name", "score", "confidence", "level", "abstain", "reason", "source", "answers"]


@pytest.fixture(scope="module")
def exported(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made in another project's folder, then moved: nothing in it may depend on where it stands."""
    first = tmp_path_factory.mktemp("first") / "exported"
    project = tmp_path_factory.mktemp("project")
    for name in ("uv.lock", "pyproject.toml"):
        (project / name).write_text("", encoding="ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        mlflow_model.save(model_folder, first)
    return Path(shutil.move(first, tmp_path_factory.mktemp("then") / "moved"))


@pytest.fixture(scope="module")
def loaded(exported: Path) -> Any:
    return load(exported)


def load(folder: Path) -> Any:
    import mlflow.pyfunc  # noqa: PLC0415 - it warns of its own types

    return mlflow.pyfunc.load_model(str(folder))


def expected(classifier: Classifier, titles: list[str | None], level: soc.Level = "major", k: int = 1) -> list[Any]:
    return [
        {
            "code": one.answers[0].label,
            "name": one.answers[0].name,
            "score": pytest.approx(one.answers[0].score),
            "confidence": pytest.approx(one.confidence),
            "level": level,
            "abstain": one.abstain,
            "reason": one.reason,
            "source": one.source,
            "answers": [
                {"label": each.label, "name": each.name, "score": pytest.approx(each.score)} for each in one.answers
            ],
        }
        for one in classifier.answer(titles, level, k)
    ]


# What is exported


def test_export_is_arrays_json_and_one_file_of_code(exported: Path) -> None:
    files = sorted(path for path in exported.rglob("*") if path.is_file())

    assert {path.suffix for path in files} == {"", ".json", ".py", ".safetensors", ".txt", ".yaml"}
    assert [path.name for path in files if path.suffix == ".py"] == ["mlflow_code.py"]
    assert [path.name for path in files if not path.suffix] == ["MLmodel"]
    assert not any(path.read_bytes()[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") for path in files)


def test_export_names_no_place_of_this_machine_and_no_index(exported: Path) -> None:
    texts = [
        path.read_text("utf-8")
        for path in exported.rglob("*")
        if path.suffix in {"", ".txt", ".yaml", ".py"}
        if path.is_file()
    ]

    for place in (str(Path(__file__).resolve().parents[2]), "/tmp/", "/root", "/home", "http", "index"):  # noqa: S108
        assert not any(place in text for text in texts), place


def test_signature_is_a_column_of_titles_with_a_level_and_a_number_of_codes(exported: Path) -> None:
    described = yaml.safe_load((exported / "MLmodel").read_bytes())

    signature = {name: json.loads(text) for name, text in described["signature"].items()}

    assert signature["inputs"] == [{"type": "string", "name": "title", "required": True}]
    assert [column["name"] for column in signature["outputs"]] == COLUMNS
    assert {each["name"]: each["default"] for each in signature["params"]} == {"level": "major", "top_k": 1}
    assert described["flavors"]["python_function"]["loader_module"] == "mlflow.pyfunc.loaders.code_model"


def test_requirements_are_what_is_here_and_pinned(exported: Path) -> None:
    lines = (exported / "requirements.txt").read_text("ascii").split()

    found = dict(line.split("==") for line in lines)

    assert {"jobmajor", "numpy", "pandas", "safetensors", "mlflow-skinny"} <= found.keys()
    assert found == {name: metadata.version(name) for name in found}


def test_same_model_is_exported_to_the_same_bytes_but_for_time_and_id(model_folder: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"

    for target in (one, other):
        mlflow_model.save(model_folder, target)

    for path in (path for path in one.rglob("*") if path.is_file()):
        pair = [folder.joinpath(path.relative_to(one)).read_text("latin-1").splitlines() for folder in (one, other)]
        different = [line for line, twin in zip(*pair, strict=True) if line != twin]
        assert [line.partition(":")[0] for line in different] in ([], ["model_uuid", "utc_time_created"]), path


# Loaded


def test_model_that_0_1_exported_still_loads(exported: Path, classifier: Classifier, tmp_path: Path) -> None:
    """Its code names the modules as they stood in 0.1, before they moved into packages."""
    folder = Path(shutil.copytree(exported, tmp_path / "exported"))
    code = (folder / "mlflow_code.py").read_text("utf-8")
    for now, before in (
        ("from jobmajor import soc\n", "from jobmajor import frames, loading, soc\n"),
        ("from jobmajor.model import frames\n", ""),
        ("from jobmajor.registry import loading\n", ""),
    ):
        assert now in code
        code = code.replace(now, before)
    (folder / "mlflow_code.py").unlink()
    (folder / "pyfunc_code.py").write_text(code, "utf-8")
    described = (folder / "MLmodel").read_text("utf-8")
    (folder / "MLmodel").write_text(described.replace("mlflow_code.py", "pyfunc_code.py"), "utf-8")

    found = load(folder).predict(pandas.DataFrame({"title": TITLES}))

    assert found.to_dict("records") == expected(classifier, TITLES)


@pytest.mark.parametrize("level", soc.LEVELS)
def test_loaded_model_answers_a_row_for_each_title(loaded: Any, classifier: Classifier, level: soc.Level) -> None:
    table = pandas.DataFrame({"id": range(len(TITLES)), "title": TITLES}, index=list("gfedcba"))

    found = loaded.predict(table[["title"]], params={"level": level, "top_k": 3})

    assert list(found) == COLUMNS
    assert found.index.tolist() == list("gfedcba")
    assert found.to_dict("records") == expected(classifier, TITLES, level, 3)


@pytest.mark.parametrize(
    "table",
    [
        [{"title": "Cashier"}, {"title": None}],
        pandas.DataFrame({"title": ["Cashier", None]}, dtype="string"),
        pandas.DataFrame({"title": ["Cashier", None]}, dtype=object),
        pandas.DataFrame({"more": [1, 2], "title": ["Cashier", float("nan")]}),
    ],
    ids=["records", "string", "objects", "more columns"],
)
def test_rows_may_come_in_any_table_that_mlflow_takes(loaded: Any, classifier: Classifier, table: Any) -> None:
    found = loaded.predict(table)

    assert found.to_dict("records") == expected(classifier, ["Cashier", None])


def test_no_rows_have_no_answers_and_nulls_alone_have_theirs(loaded: Any) -> None:
    assert len(loaded.predict(pandas.DataFrame({"title": []}, dtype=object))) == 0
    assert loaded.predict(pandas.DataFrame({"title": [None, None]}))["reason"].tolist() == ["not a title"] * 2


@pytest.mark.parametrize(
    ("table", "params", "message"),
    [
        (pandas.DataFrame({"job": ["Cashier"]}), {}, r"missing inputs \['title'\]"),
        ([{"job": "Cashier"}], {}, r"missing inputs \['title'\]"),
        (pandas.DataFrame({"title": [1, 2]}), {}, "column title"),
        (pandas.DataFrame({"title": [1, "x"]}, dtype=object), {}, "a title is int 1: expected text or None"),
        ([{"title": "Cashier"}], {"level": "top"}, "level 'top': expected one of major, minor, broad, detailed"),
        ([{"title": "Cashier"}], {"top_k": 0}, "k is 0: expected at least 1"),
        ([{"title": "Cashier"}], {"top_k": "many"}, "top_k"),
    ],
)
def test_what_can_not_be_answered_is_refused_as_the_callers(
    loaded: Any, table: Any, params: dict[str, Any], message: str
) -> None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - three seconds at collection

    with pytest.raises(MlflowException, match=message) as caught:
        loaded.predict(table, params=params)

    assert 400 <= caught.value.get_http_status_code() < 500  # type: ignore[no-untyped-call]  # MLflow's


def test_damaged_export_is_not_loaded(exported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    (arrays,) = copy.rglob("model.safetensors")
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"?")

    with pytest.raises(ArtifactError, match=r"model\.safetensors has sha256"):
        load(copy)


# What can't be exported


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["folder", "file"])
def test_what_is_there_already_stays(model_folder: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    target = tmp_path / "taken"
    make(target)

    with pytest.raises(InputError, match="taken is there already: name a new folder, or remove it"):
        mlflow_model.save(model_folder, target)

    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_damaged_model_is_not_exported(model_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(model_folder, copy)
    with (copy / "answers.json").open("a") as file:
        file.write(" ")

    with pytest.raises(ArtifactError):
        mlflow_model.save(copy, tmp_path / "new")

    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_without_pandas_the_extra_is_named(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(MissingExtra, match=r"an MLflow model needs the extra 'ui': .*pip install .*\[ui\]'$"):
        mlflow_model.save(model_folder, tmp_path / "new")


@pytest.mark.long  # six starts of the command
def test_command_exports_a_version_and_refuses_what_it_can_not(
    workspace: Path,
    tmp_path: Path,
    command: Callable[..., subprocess.CompletedProcess[bytes]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "deep" / "exported"

    done = command("models", "export", "1", target, "--home", workspace)

    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    assert done.stdout.decode() == f"version 1: {target}\n"
    assert len(load(target).predict([{"title": "nurse"}, {"title": "cook"}])) == 2
    for words, why in ((("1", target), "is there already"), (("7", tmp_path / "x"), "has no version 7")):
        capsys.readouterr()
        status = main.main(["models", "export", *map(str, words), "--home", str(workspace)])
        out, err = capsys.readouterr()
        assert (status, out) == (2, "")
        assert why in err
        assert err.count("\n") == 1


# Served


@pytest.fixture(scope="module")
def address(exported: Path, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of `mlflow models serve`, run as anyone would run it."""
    port = str(free_port())
    programs, log = Path(sys.executable).parent, tmp_path_factory.mktemp("server") / "log"
    words = ["models", "serve", "-m", str(exported), "--env-manager", "local", "-h", "127.0.0.1", "-p", port]
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "DO_NOT_TRACK": "true"}
    with log.open("wb") as file:
        server = subprocess.Popen([str(programs / "mlflow"), *words], stdout=file, stderr=file, env=environment)
    try:
        wait_for(int(port), server, log)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        server.terminate()
        server.wait(60)


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 600  # on two idle cores it takes half a minute
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline, log.read_text("utf-8")
        time.sleep(0.1)


def ask(address: str, body: Any, kind: str = "application/json") -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.post(address, content=data, headers={"Content-Type": kind}, timeout=60)
    return answer.status_code, answer.json()


BODIES: dict[str, dict[str, Any]] = {
    "dataframe_split": {"dataframe_split": {"columns": ["title"], "data": [[title] for title in TITLES]}},
    "dataframe_records": {"dataframe_records": [{"title": title} for title in TITLES]},
    "inputs by column": {"inputs": {"title": TITLES}},
    "inputs by row": {"inputs": [{"title": title} for title in TITLES]},
    "inputs": {"inputs": TITLES},
    "instances": {"instances": [{"title": title} for title in TITLES]},
}


@pytest.mark.long  # MLflow's own server takes half a minute to start
@pytest.mark.slow
@pytest.mark.xdist_group("mlflow serve")
@pytest.mark.parametrize("name", BODIES)
def test_served_model_gives_each_row_its_own_answer_in_order(address: str, classifier: Classifier, name: str) -> None:
    is_table = name.startswith("dataframe")
    titles: list[str | None] = (
        TITLES if is_table else [str(title) for title in TITLES]
    )  # MLflow makes a text of a null, "None"

    status, answer = ask(address, {**BODIES[name], "params": {"level": "minor", "top_k": 2}})

    assert status == 200
    assert answer["predictions"] == expected(classifier, titles, "minor", 2)
    assert answer["predictions"][TITLES.index(None)]["reason"] == "not a title"
    assert len({each["code"] for each in answer["predictions"]}) > 3


@pytest.mark.long  # MLflow's own server takes half a minute to start
@pytest.mark.slow
@pytest.mark.xdist_group("mlflow serve")
def test_served_model_reads_csv_and_many_rows(address: str, classifier: Classifier) -> None:
    titles: list[str | None] = ["Registered Nurse", "Cashier", "Truck Driver"] * 2000

    status, answer = ask(address, "\n".join(["title", *map(str, titles)]).encode(), "text/csv")

    assert status == 200
    assert [each["code"] for each in answer["predictions"]] == classifier.answer_frame(titles)["code"].to_list()


@pytest.mark.long  # MLflow's own server takes half a minute to start
@pytest.mark.slow
@pytest.mark.xdist_group("mlflow serve")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"dataframe_split": {"columns": ["job"], "data": [["Cashier"]]}}, "Model is missing inputs ['title']"),
        ({"dataframe_records": [{"title": 5}]}, "a title is int 5: expected text or None"),
        ({"dataframe_records": [{"title": "x"}], "params": {"level": "top"}}, "level 'top': expected one of major"),
        ({"titles": ["Cashier"]}, "exactly one of the input fields"),
        (b"{", "valid JSON"),
        (b'{"dataframe_records": [{"title": "\\ud800"}]}', "surrogates not allowed"),
    ],
    ids=["column", "number", "level", "format", "no JSON", "surrogate"],
)
def test_served_model_refuses_as_the_callers_what_can_not_be_answered(address: str, body: Any, message: str) -> None:
    status, answer = ask(address, body)

    assert 400 <= status < 500
    assert message in answer["message"]

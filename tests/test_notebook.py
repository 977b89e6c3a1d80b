"""`notebooks/Start Here.ipynb` is the tutorial's path, section by section, and runs with no account and no network."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = Path(__file__).resolve().parents[1] / "notebooks" / "Start Here.ipynb"
SECTIONS = (
    "Prerequisites",
    "Open Studio, and this notebook",
    "Set-up and constants",
    "The dataset: O*NET and its taxonomy",
    "Download and inspect both tables",
    "Upload to S3, unless it is there",
    "Create the MLOps project",
    "Clone the project's code",
    "Replace `abalone` by ours",
    "Commit and push: `run-pipeline`",
    "Watch the pipeline",
    "The model in the registry",
    "Compare, and deploy to an endpoint",
    "Back to no bill",
)
SECRET = re.compile(r"AKIA[0-9A-Z]{16}|aws_secret|BEGIN [A-Z ]*PRIVATE KEY")
ABSOLUTE = re.compile(r"(?<![\w/:.<*~)\]\"-])/(?!opt/ml)[a-z]\w*/[\w.-]+|[A-Z]:\\\\|/(?:home|Users|root|tmp)\b")
LIMIT_S = 600  # for a notebook that hangs; on two cores it takes some two minutes


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    """The notebook's cells as they stand in the repository, each with its text as one `source`."""
    found = json.loads(PATH.read_text("utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found]


def test_every_section_of_the_tutorial_stands_there_in_its_order(cells: list[dict[str, Any]]) -> None:
    texts = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")

    headings = re.findall(r"^## (\d+)\. (.+)$", texts, re.MULTILINE)

    assert headings == [(str(number), section) for number, section in enumerate(SECTIONS, 1)]


def test_every_cell_of_code_says_first_what_is_real_and_what_is_simulated(cells: list[dict[str, Any]]) -> None:
    codes = [cell["source"].splitlines() for cell in cells if cell["cell_type"] == "code"]

    firsts = [lines[1] if lines[0].startswith("%%") else lines[0] for lines in codes]

    assert [line for line in firsts if not re.fullmatch(r"# Real here: .+[.;] Simulated: .+\.", line)] == []


def test_only_one_word_decides_where_it_runs_and_it_is_here(cells: list[dict[str, Any]]) -> None:
    sources = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")

    assert re.findall(r'^WHERE = "(\w+)"', sources, re.MULTILINE) == ["here"]


def test_it_holds_no_outputs_and_no_traces_of_a_run(cells: list[dict[str, Any]]) -> None:
    codes = [cell for cell in cells if cell["cell_type"] == "code"]

    assert [cell["id"] for cell in codes if cell["outputs"] or cell["execution_count"] is not None] == []
    assert [cell["id"] for cell in cells if cell["metadata"]] == []


def test_it_names_no_path_of_a_machine_and_no_secret(cells: list[dict[str, Any]]) -> None:
    text = "\n".join(cell["source"] for cell in cells)

    assert ABSOLUTE.findall(text) == []
    assert SECRET.findall(text) == []


def test_nothing_that_moto_pretends_is_asked_of_the_stand_in(cells: list[dict[str, Any]]) -> None:
    """It says Succeeded of every execution and InService of every endpoint, whatever they are."""
    here = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code" and cell["id"] != "run-aws")

    pretended = r"StartPipelineExecution|CreateTrainingJob|CreateProcessingJob|CreateEndpoint\b|InvokeEndpoint"
    assert re.findall(rf"{pretended}|pipeline start|python -m pipelines\S* run\b", here) == []


def function(cells: list[dict[str, Any]], name: str, **names: Any) -> Any:
    """A function of the notebook, with these names in place of the notebook's."""
    for cell in cells:
        if cell["cell_type"] == "code" and f"def {name}(" in cell["source"]:
            (made,) = [node for node in ast.parse(cell["source"]).body if getattr(node, "name", "") == name]
            space = names | {"json": json, "InputError": InputError}
            exec(compile(ast.Module([made], []), name, "exec"), space)  # noqa: S102 - our own notebook
            return space[name]
    raise LookupError(name)


def test_no_cell_takes_the_next_item_of_what_may_be_empty(cells: list[dict[str, Any]]) -> None:
    codes = "\n".join(
        cell["source"] for cell in cells if cell["cell_type"] == "code" and "%%" not in cell["source"][:2]
    )

    taken = [
        node for node in ast.walk(ast.parse(codes)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "next"
    ]

    assert [ast.unparse(node) for node in taken if len(node.args) < 2] == []


@pytest.mark.parametrize("there", [[], ["titles-a", "titles-b"]])
def test_repository_that_is_missing_or_not_the_only_one_is_a_sentence(
    cells: list[dict[str, Any]], there: list[str]
) -> None:
    account = SimpleNamespace(pages=lambda *_: iter([{"repositoryName": name} for name in ["other", *there]]))
    settings = SimpleNamespace(aws=SimpleNamespace(github=""))
    names = SimpleNamespace(project="titles")
    repository = function(cells, "repository", HERE=False, account=account, settings=settings, names=names)

    with pytest.raises(InputError, match=f"found {', '.join(there) or 'none'}, expected one: set aws.github"):
        repository()


def test_service_that_ends_before_it_listens_is_a_sentence_with_its_last_line(cells: list[dict[str, Any]]) -> None:
    address_of = function(cells, "address_of")
    listening = json.dumps({"event": "listening", "url": "http://127.0.0.1:1"})

    assert address_of(SimpleNamespace(stderr=io.StringIO(f"x\n{listening}\n"))) == "http://127.0.0.1:1"
    with pytest.raises(InputError, match="the last it said: error: no model"):
        address_of(SimpleNamespace(stderr=io.StringIO("x\nerror: no model\n")))


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What each cell printed or returned, by its id, after all of them ran in an empty folder.

    The environment names a profile and an address that lead nowhere: a notebook that let them through would fail.
    """
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    for name in ("ipykernel", "moto.server", "boto3", "starlette", "uvicorn"):
        pytest.importorskip(name, reason=f"the notebook needs {name}")
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(folder / "jupyter"))
        patch.setenv("AWS_PROFILE", "somebody-elses")
        patch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        book = nbformat.read(PATH, as_version=4)
        work = folder / "work"
        work.mkdir()
        client = nbclient.NotebookClient(
            book, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(work)}}
        )
        asyncio.run(asyncio.wait_for(client.async_execute(), LIMIT_S))
    return {cell.id: shown(cell.outputs) for cell in book.cells if cell.cell_type == "code"}


def shown(outputs: list[Any]) -> str:
    """Text of a cell's outputs; a stream comes in pieces."""
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


# `long`, as all below: the whole notebook is run, which takes two minutes.
@pytest.mark.long
def test_it_runs_from_top_to_bottom_to_a_registered_version(printed: Mapping[str, str]) -> None:
    assert re.search(r"^1 +PendingManualApproval +passed +0\.[89]\d+ ", printed["registry-code"], re.MULTILINE)
    assert printed["run"].endswith("'Succeeded'")
    assert printed["approve"] == "'Approved'"


@pytest.mark.long
def test_upload_sends_nothing_the_second_time(printed: Mapping[str, str]) -> None:
    assert "(3 sent, 0 skipped" in printed["upload-code"]
    assert "0 sent, 3 were there: s3://" in printed["upload-again"]


@pytest.mark.long
def test_second_candidate_takes_the_data_from_the_cache_and_is_compared(printed: Mapping[str, str]) -> None:
    assert re.search(r"^preprocess-data +Processing +Succeeded +cached$", printed["run-again"], re.MULTILINE)
    assert re.search(r"^train +Training +Succeeded +[\d.]+ s$", printed["run-again"], re.MULTILINE)
    assert re.search(r"on the same [\d,]+ rows|the gate refused", printed["compare"])


@pytest.mark.long
def test_served_model_answers_as_a_sound_one(printed: Mapping[str, str]) -> None:
    assert re.search(r"^licensed practical nurse +29-0000 ", printed["ask"], re.MULTILINE)
    assert re.search(r"^Sr\. Welder +51-0000 ", printed["ask"], re.MULTILINE)


@pytest.mark.long
def test_what_needs_an_account_is_only_printed(printed: Mapping[str, str]) -> None:
    for cell in ("project-create", "deploy-run"):
        assert re.search(r"^requests that would be sent: \d+; none was sent\.$", printed[cell], re.MULTILINE)


@pytest.mark.long
def test_stand_in_of_aws_ends_with_the_notebook(printed: Mapping[str, str]) -> None:
    assert printed["stand-in"].startswith("AWS is simulated at http://127.0.0.1:")
    assert printed["end-code"] == "the stand-in ended with status 0\n"

"""A second text beside the titles, over HTTP: the answers of Python in every format, and a refusal without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobmajor.serve.messages.media import CSV, JSON, LINES
from jobmajor.serve.service.champion import Champion, ModelSource

from ..conftest import Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.model.classifier import Classifier

TITLES = ["manager of nothing", "manager of nothing", "nurse"]
CONTEXTS = ["fly aircraft with crew", "", "trucks"]
INSTANCES = [{"title": title, "context": context} for title, context in zip(TITLES, CONTEXTS, strict=True)]


@pytest.fixture(scope="module")
def contextual(with_context: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("with-context")
    with_context.save(folder, code_version="test", source={"release": "starter"})
    with running(Champion(ModelSource(folder, folder))) as found:
        yield found


@pytest.mark.parametrize("to", ["soc-2018", "soc-2010"])
def test_json_gets_the_answers_of_python(contextual: Running, with_context: Classifier, to: str) -> None:
    parameters = {"level": "detailed", "top_k": 1, "to": to}

    found = contextual.post(json={"instances": INSTANCES, "parameters": parameters}).json()["predictions"]

    if to == "soc-2018":
        answered = with_context.answer(TITLES, "detailed", context=CONTEXTS)
        assert [each[0]["label"] for each in found] == [each.answers[0].label for each in answered]
    assert found[0] != found[1]


def test_csv_and_json_lines_say_the_same(contextual: Running) -> None:
    lines = '{"title": "manager of nothing", "context": "fly aircraft with crew"}\n{"title": "nurse"}\n'
    table = "id,context,title\n1,fly aircraft with crew,manager of nothing\n2,,nurse\n"
    accept = {"accept": JSON}

    one = contextual.post(content=lines, headers={"content-type": LINES, **accept}).json()
    other = contextual.post(content=table, headers={"content-type": CSV, **accept}).json()

    assert one == other


def test_titles_with_and_without_context_may_come_at_once(contextual: Running, with_context: Classifier) -> None:
    plain = contextual.post(json={"instances": TITLES}).json()["predictions"]
    empty = contextual.post(json={"instances": [{"title": title, "context": ""} for title in TITLES]})

    assert empty.json()["predictions"] == plain
    assert [each[0]["label"] for each in plain] == [each.answers[0].label for each in with_context.answer(TITLES)]


def test_version_says_whether_the_model_can_use_context(contextual: Running, service: Running) -> None:
    assert contextual.get("/version").json()["context"] is True
    assert service.get("/version").json()["context"] is False


def test_context_for_a_model_without_it_is_refused(service: Running) -> None:
    found = service.post(json={"instances": INSTANCES})

    assert (found.status_code, found.json()["field"]) == (422, "context")
    assert "the model has learned none: leave it out" in found.json()["detail"]

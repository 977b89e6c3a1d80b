"""Whatever is sent, the service answers with a status that its OpenAPI names, and never with a fault of its own."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks
from starlette.testclient import TestClient

from jobmajor.serve import app
from jobmajor.serve.messages.media import KINDS, WORKBOOK
from jobmajor.serve.service.champion import Champion, ModelSource
from jobmajor.serve.service.service import Service

from ..conftest import talk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.model.classifier import Classifier

    from ..conftest import Running

SEEDS = (
    (KINDS[0], b'{"instances": ["nurse", null, {"title": "welder"}], "parameters": {"top_k": 3, "level": "all"}}'),
    (KINDS[1], b'{"title": "nurse", "id": 7}\n"welder"\n'),
    (KINDS[2], b'id,title\r\n007,"nurse, ""rn"""\r\n8,\r\n'),
)
WORDS = (
    b"\\ud800",
    b"\0",
    b'"',
    b"[",
    b"{",
    b"}",
    b"null",
    b"1e999",
    b"-0",
    b"\xff",
    b"\r\n",
    b",",
    b"instances",
    b"title",
)


@pytest.fixture(scope="module")
def contextual(with_context: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Champion:
    """A model that has learned a second text: every body that the OpenAPI describes is one for it."""
    folder = tmp_path_factory.mktemp("with-context")
    with_context.save(folder, code_version="test", source={"release": "starter"})
    return Champion(ModelSource(folder, folder))


@pytest.fixture(scope="module")
def client(champion: Champion) -> Iterator[TestClient]:
    with TestClient(app.create(Service(champion))) as found:
        yield found


def mutated(body: bytes, rng: random.Random) -> bytes:
    """The body with some bytes cut, doubled, exchanged, or words that mean something put in."""
    found = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        place, end = sorted(rng.randrange(len(found) + 1) for _ in range(2))
        what = rng.choice((b"", rng.choice(WORDS), bytes(found[place:end]) * 2, rng.randbytes(rng.randint(1, 4))))
        found[place : min(end, place + 8)] = what
    return bytes(found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("title", "x")), inner, max_size=2),
    max_leaves=6,
)


@settings(suppress_health_check=list(HealthCheck), max_examples=60)
@given(body=st.dictionaries(st.sampled_from(("instances", "parameters", "x", "\ud800")), VALUES) | VALUES)
def test_json_of_any_shape_is_answered_or_refused(client: TestClient, body: Any) -> None:
    answer = client.post("/invocations", content=json.dumps(body), headers={"content-type": KINDS[0]})

    assert answer.status_code in {200, 413, 422}
    assert answer.json()


@pytest.mark.slow
def test_raw_bytes_that_are_nearly_http_get_no_fault(service: Running) -> None:
    rng = random.Random(7)  # noqa: S311 - as above
    for _ in range(150):
        kind, body = rng.choice(SEEDS)
        head = f"POST /invocations?level=minor HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\nconnection: close\r\n"
        length = rng.choice((len(body), 0, 1, 10**12, -1, 2**70))
        whole = head.encode() + f"content-length: {length}\r\nexpect: x\r\n\r\n".encode()
        whole = mutated(whole, rng) + b"\r\n\r\n"
        raw = answered(service, whole if length > len(body) else whole + body)
        assert not raw.startswith(b"HTTP/1.1 5"), (whole, raw)
    assert service.get("/ping").status_code == 200


def answered(service: Running, raw: bytes) -> bytes:
    """What comes back where the client sends no more; a reset is an end, too."""
    try:
        return talk(service.port, raw, is_last=True)
    except ConnectionError:
        return b""


CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # schemathesis's own
@pytest.mark.parametrize("examples", [6, pytest.param(25, marks=pytest.mark.long)])
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_schemathesis_finds_no_answer_that_the_openapi_does_not_describe(
    contextual: Champion, mode: GenerationMode, examples: int
) -> None:
    """What is right by the schema must be answered, too, where a schema can say what is right: that of JSON."""
    schemathesis.serializer.alias(WORKBOOK, "application/octet-stream")
    schema = schemathesis.openapi.from_asgi("/openapi.json", app.create(Service(contextual)))
    checked = []

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if mode == GenerationMode.NEGATIVE and operation.method == "get":  # takes nothing that could be wrong
            continue

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            more = [checks.positive_data_acceptance] if case.media_type in {None, KINDS[0]} else []
            case.call_and_validate(checks=CHECKS + more)

        ask()
        checked.append(operation.label)

    assert len(checked) == (17 if mode == GenerationMode.POSITIVE else 9)

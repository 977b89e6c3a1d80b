"""C and Python must agree about every struct: nothing else would notice, and C would read other memory."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobmajor.model.classifier import Classifier
from jobmajor.model.kernels import buffers, judge
from jobmajor.model.kernels.clean import _forms
from jobmajor.model.kernels.rank import Links, Listed, Ranked
from jobmajor.model.kernels.text import _Marks, batch
from jobmajor.model.linear import features, spelling
from jobmajor.native import build, library
from jobmajor.native.library import Struct
from jobmajor.tables import block, packed
from jobmajor.tables.memo import Memo
from jobmajor.tables.packed import Packed
from jobmajor.tables.text.append import Cells
from jobmajor.tables.text.scan import Asked, Found

if TYPE_CHECKING:
    from collections.abc import Iterator


Members = list[tuple[str, str]]  # the type and name of each member
_ARRAY = re.compile(r"ARRAY\((\w+)\) (\w+)")
_TYPES = {"float32": "float", "bool": "uint8_t"}


def in_c(file: str, name: str) -> Members:
    """Return the members of a struct in a C file."""
    code = re.sub(r"/\*.*?\*/", "", (build.FOLDER / file).read_text(), flags=re.DOTALL)
    found = re.search(r"typedef struct \{([^}]*)\} " + name + ";", code)
    assert found, f"{file} has no struct {name}"
    members: Members = []
    for part in found[1].split(";"):
        if array := _ARRAY.search(part):
            members.append((f"{array[1]} *", array[2]))
        elif words := part.split():
            members += [(words[0], each.strip()) for each in " ".join(words[1:]).split(",")]
    return members


def in_python(value: Struct) -> Members:
    found: Members = []
    for field in fields(value):  # type: ignore[arg-type]  # every Struct is a dataclass
        one = getattr(value, field.name)
        if isinstance(one, np.ndarray):
            found.append((f"{_TYPES.get(str(one.dtype), f'{one.dtype}_t')} *", field.name))
        elif isinstance(one, Struct):
            found.append((type(one).__name__, field.name))
        else:
            found.append(("int64_t" if isinstance(one, int) else "float", field.name))
    return found


@pytest.fixture
def structs(classifier: Classifier) -> Iterator[dict[str, Struct]]:
    """Every struct that is passed to C, by its name there."""
    own = Classifier(classifier.scorer, classifier.about, classifier.knowledge)  # other tests share the fixture's
    compiled: Any = own.compile()._answering.compiled
    kernel, plan = compiled._kernel, compiled.plan(("major", "detailed"))
    titles = batch(Packed.of(["Nurse"]))
    memo = Memo(2, 1000).match(Packed.of(["Nurse"]))
    signs = judge.signs(3)
    one = np.zeros((1, 1), np.float32)
    ranked = Ranked(np.zeros((1, 1, 1), np.int16), one[None], np.zeros((1, 1), np.uint8), one, 1)
    numbers = np.zeros(2, np.int64)
    with kernel.buffers() as scoring:
        blender = scoring.blender
        yield {
            "kernels.h Batch": titles,
            "kernels.h Words": scoring.words,
            "kernels.h Block": scoring.summing.pieces,
            "clean.c Table": _forms(plain=False).words,
            "clean.c Forms": _forms(plain=False),
            "clean.c Marks": _Marks(titles.data, titles.starts, np.zeros(1, np.bool_)),
            "kernels.h Scratch": scoring.summing.scratch,
            "mend.c Vocabulary": kernel._vocabulary,
            "judge.c TrainingIndex": compiled._index,
            "judge.c Signs": signs,
            "judge.c Least": judge._least(),
            "kernels.h Model": kernel._model,
            "evidence.c BlockEvidence": scoring.parts,
            "sums.h WordSums": kernel._kept,
            "sums.h Summing": scoring.summing,
            "blend.c Factors": blender.factors,
            "blend.c Evidence": blender.evidence,
            "blend.c Blending": blender.memory,
            "blend.c Blender": blender,
            "rank.c Levels": plan.levels,
            "rank.c Listings": plan.listings,
            "rank.c Ranked": ranked,
            "rank.c Links": Links(numbers, numbers, np.zeros(2, np.float32)),
            "rank.c Listed": Listed(numbers, signs.marks),
            "scan.c Found": Found(numbers.reshape(1, 2), titles.data, numbers, numbers),
            "scan.c Asked": Asked(44, 0, 1),
            "append.c Cells": Cells(
                titles.data, numbers.reshape(1, 2), np.zeros((1, 1), np.int32), numbers, titles.data, numbers, 2, 1
            ),
            "memo.c Lookup": memo.lookup,
        }


def test_every_struct_has_the_members_that_python_passes(structs: dict[str, Struct]) -> None:
    for place, value in structs.items():
        assert in_python(value) == in_c(*place.split()), place


def test_every_exported_function_is_declared_with_as_many_arguments() -> None:
    declared = dict[str, str]()
    for path in sorted(build.FOLDER.glob("*.c")):
        for name, arguments in re.findall(r"EXPORTED [\w ]+?(jm_\w+)\(([^)]*)\)", path.read_text()):
            parts = [] if arguments == "void" else arguments.split(",")
            declared[name] = "".join("p" if "*" in part else "i" for part in parts)

    own = {"jm_level": "", "jm_sources": ""}  # `load` calls them before it knows that the others fit
    assert {**library._FUNCTIONS, **own} == declared


def test_constants_of_the_header_are_those_of_python() -> None:
    header = (build.FOLDER / "kernels.h").read_text()
    defined = dict(re.findall(r"#define (\w+) \(?(\w+)\b", header))

    assert defined["LONGEST"] == str(packed.LONGEST)
    assert "UINT64_C(0x9E3779B97F4A7C15)" in header
    assert int(packed.BASE) == 0x9E3779B97F4A7C15
    assert defined["BLOCK_TITLES"] == str(buffers.BLOCK_TITLES)
    assert features.WORD_BUCKETS == 1 << 20
    assert tuple(range(int(defined["SHORTEST_RUN"]), int(defined["LONGEST_RUN"]) + 1)) == features.RUN_LENGTHS
    assert (buffers.TITLE_BYTES, buffers.BLOCK_BYTES) == (4 * packed.LONGEST + 2, 32768 + buffers.TITLE_BYTES)
    assert buffers.MENDED_FROM == buffers.BLOCK_BYTES + buffers.TITLE_BYTES
    assert (
        f"SHORTEST_MENDED = {spelling.SHORTEST}, LONGEST_MENDED = {spelling.LONGEST}"
        in (build.FOLDER / "mend.c").read_text()
    )
    assert f"DIGITS = {block.DIGITS}, MILLION = {block.MILLION}" in (build.FOLDER / "append.c").read_text()


def test_array_that_is_not_contiguous_is_refused() -> None:
    with pytest.raises(ValueError, match="not contiguous"):
        library.address(np.zeros((3, 4))[:, ::2])

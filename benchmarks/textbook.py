"""What a textbook makes of it: FastAPI, a body checked by pydantic, the same model, and plain uvicorn.

`JOBMAJOR_TEXTBOOK_MODEL` names the model's folder: `uvicorn benchmarks.textbook:app` starts it.
"""

import os
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

from jobmajor.registry import loading

model = loading.load(Path(os.environ["JOBMAJOR_TEXTBOOK_MODEL"]))
model.compile()
app = FastAPI()


class Titles(BaseModel):
    """A request."""

    instances: list[str]


class Code(BaseModel):
    """One code of an answer."""

    label: str
    name: str
    score: float


@app.post("/invocations")
def invocations(titles: Titles) -> list[list[Code]]:
    """The five best major groups of each title."""
    found = model.answer(titles.instances, "major", 5)
    return [[Code(label=each.label, name=each.name, score=each.score) for each in one.answers] for one in found]


@app.get("/ping")
def ping() -> dict[str, str]:
    """Health."""
    return {"status": "ok"}

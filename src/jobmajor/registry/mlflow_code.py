"""The code of an exported MLflow model: MLflow copies this file into the model and runs it wherever that is loaded.

So it sets the model at import, as MLflow requires, and no module of ours imports it. The trained model is a folder
beside it, whose manifest is verified before any file is read.
"""

from __future__ import annotations

from typing import Any

import pandas as pd  # noqa: TC002 - MLflow looks at the annotation of predict
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model import frames
from jobmajor.registry import loading


class JobTitles(PythonModel):
    """Answers the column `title` with a row for each title; parameters `level` and `top_k`."""

    def load_context(self, context: Any) -> None:
        """Load the model folder that was exported."""
        self._model = loading.load(context.artifacts["model"])

    def predict(  # MLflow wants all of these arguments
        self,
        context: Any,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return a row for each title, in order: the columns of `Classifier.answer_frame`, and `answers`, the top_k."""
        level, top_k = (params or {}).get("level", "major"), (params or {}).get("top_k", 1)
        if level not in soc.LEVELS:
            raise MlflowException.invalid_parameter_value(f"level {level!r}: expected one of {soc.level_words()}")
        titles = model_input["title"]
        try:
            coded = self._model.answer(titles, level, top_k)
        except InputError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        found: pd.DataFrame = frames.frame(titles, coded, level, ranked=False)
        found["answers"] = [
            [{"label": each.label, "name": each.name, "score": each.score} for each in one.answers] for one in coded
        ]
        return found


set_model(JobTitles())

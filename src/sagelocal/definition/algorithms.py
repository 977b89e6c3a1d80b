r"""The metrics that the images of AWS's own algorithms print; their definitions are part of the image.

The regular expressions read both forms of the logs: `[3]\tvalidation-rmse:0.25` of XGBoost (the service's logs have
`#011` for the tab) and `#quality_metric: host=algo-1, validation rmse <loss>=0.25` of the algorithms by Amazon.
Source: AWS, SageMaker AI Developer Guide, "Tune an XGBoost Model" and the same page of each algorithm; XGBoost,
"Learning Task Parameters".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER: Final = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_OBJECTIVE: Final = re.compile(r"(?:train|validation|test):[\w@.-]+")
_PLAIN: Final = ("train", "validation")
_XGBOOST: Final = (
    *("accuracy", "auc", "aucpr", "balanced_accuracy", "error", "f1", "f1_binary", "f1_macro", "logloss", "mae", "map"),
    *("mape", "merror", "mlogloss", "mphe", "mse", "ndcg", "poisson-nloglik", "gamma-nloglik", "gamma-deviance"),
    *("cox-nloglik", "aft-nloglik", "interval-regression-accuracy", "precision", "precision_macro", "r2", "recall"),
    *("recall_macro", "rmse", "rmsle", "tweedie-nloglik"),
)
# What an image computes on each of its channels, by the name of its repository.
_METRICS: Final[dict[str, tuple[Iterable[str], Iterable[str]]]] = {
    "xgboost": (_PLAIN, _XGBOOST),
    "linear-learner": (
        ("test", "validation"),
        (
            *("objective_loss", "absolute_loss", "binary_classification_accuracy", "binary_f_beta", "mse", "precision"),
            *("recall", "dcg", "macro_f_beta", "macro_precision", "macro_recall", "multiclass_accuracy"),
            *("multiclass_top_k_accuracy", "rmse", "r2", "roc_auc_score"),
        ),
    ),
    "kmeans": (("test",), ("msd", "ssd")),
    "knn": (("test",), ("accuracy", "mse")),
    "factorization-machines": (
        ("test",),
        ("rmse", "binary_classification_accuracy", "binary_classification_cross_entropy", "binary_f_beta"),
    ),
    "pca": (("test",), ("throughput",)),
    "randomcutforest": (("test",), ("f1", "precision", "recall")),
    "forecasting-deepar": (("test",), ("RMSE", "mean_wQuantileLoss")),
    "image-classification": (("validation",), ("accuracy",)),
    "object-detection": (("validation",), ("mAP",)),
    "semantic-segmentation": (("validation",), ("mIOU", "pixel_accuracy")),
    "blazingtext": (("train", "validation"), ("mean_rho", "accuracy")),
    "ipinsights": (("validation",), ("discriminator_auc",)),
    "ntm": (("validation",), ("total_loss",)),
    "object2vec": (("test", "validation"), ("accuracy", "cross_entropy", "mean_squared_error")),
    "seq2seq": (("validation",), ("accuracy", "bleu", "perplexity")),
}


def metrics(image: str, objective: str = "") -> tuple[tuple[str, str], ...]:
    r"""Return (name, regular expression) of each metric of a built-in algorithm's image; empty for another image.

    Args:
        image: The URI of the image.
        objective: The objective of a search: one like `validation:name` is added, since newer releases of an
            algorithm know more metrics than this table.

    >>> found = dict(metrics("1.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"))
    >>> re.search(found["validation:auc"], "[3]#011train-auc:0.9#011validation-auc:0.75")[1]
    '0.75'
    """
    known = _METRICS.get(_repository(image))
    if known is None:
        return ()
    channels, names = known
    found = {f"{channel}:{name}": _pattern(channel, name) for channel in channels for name in names}
    if objective not in found and _OBJECTIVE.fullmatch(objective):
        found[objective] = _pattern(*objective.split(":"))
    return tuple(found.items())


def _repository(image: str) -> str:
    """Return the last part of an image's repository without its tag, digest and prefix."""
    return re.split(r"[:@]", image.rpartition("/")[2])[0].removeprefix("sagemaker-")


def _pattern(channel: str, name: str) -> str:
    return rf"(?:^|#011|[^\w-]){channel}[- ]{re.escape(name)}(?: <\w+>)?\s?[:=]\s?{_NUMBER}(?![\w.])"

"""What monitoring counts: for each row, which of some forty statements are true of its title and of its answer.

All statements are true or false, so the share of rows is the one kind of figure to compare, whether it is about a code,
a reason for abstaining or the letters of a title. A row's flags are the bits of one integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from threadpoolctl import threadpool_limits

from jobmajor import soc
from jobmajor.model.coder import REASONS
from jobmajor.model.rules import abstain, confidence
from jobmajor.model.rules.abstain import NO_CODE
from jobmajor.monitor import shape
from jobmajor.monitor.profile import TRAINING, Builder, Marked
from jobmajor.monitor.shape import NO_TITLE, Flag
from jobmajor.tables.packed import LONGEST, Packed, among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.model.classifier import Classifier
    from jobmajor.model.coder import Coder, Codes
    from jobmajor.monitor.profile import Profile

MOST: Final = 64  # bits
_UNSURE: Final = (abstain.UNSURE, abstain.CONTRADICTED)
_QUALITY: Final = (
    NO_TITLE,
    Flag(abstain.NOT_A_TITLE, "data quality", "the text is no title"),
    Flag(abstain.UNKNOWN_LANGUAGE, "data quality", "the text is in letters that the model was never taught"),
    Flag(abstain.NOT_ENGLISH, "data quality", "the text is in another language"),
)
_ANSWERS: Final = (
    Flag("unsure", "prediction", "the answer is not sure"),
    Flag("confidence below 0.5", "prediction", "the best answer is more likely wrong than right"),
)
_OTHERS: Final = (*_QUALITY, *_ANSWERS, *shape.TEXT)


@dataclass(frozen=True)
class Flags:
    """The statements about titles that a classifier answers at the major level.

    Attributes:
        classes: The codes of the level, in the order of the coder's labels.
        words: uint64; the hashes of the words that training has seen, ascending.
        watched: The labels that have a bit, ascending: of more codes than there are bits, those with most titles of
            training. SOC 2018 has 23 major groups, and a bit for each.
    """

    classes: tuple[str, ...]
    words: NDArray[np.uint64]
    watched: tuple[int, ...]

    @classmethod
    def of(cls, classifier: Classifier) -> Flags:
        """Return the statements for a classifier."""
        classes, most = classifier.coder(("major",)).classes[0], MOST - len(_OTHERS)
        watched = list(range(len(classes)))
        if len(classes) > most:
            known = dict(zip(classifier.classes("major"), classifier.training_mix("major").tolist(), strict=True))
            watched = sorted(sorted(watched, key=lambda label: -known.get(classes[label], 0.0))[:most])
        return cls(classes, classifier.knowledge.listed.words, tuple(watched))

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Return the codes that have a bit, in the order of their bits."""
        return tuple(self.classes[label] for label in self.watched)

    @cached_property
    def _bits(self) -> NDArray[np.uint64]:
        """Return the bit of each label; 0 for one that has none."""
        bits = np.zeros(len(self.classes), np.uint64)
        bits[list(self.watched)] = np.uint64(1) << np.arange(len(self.watched), dtype=np.uint64)
        return bits

    @cached_property
    def all(self) -> tuple[Flag, ...]:
        """Return the statements, in the order of their bits."""
        groups = (Flag(code, "prediction", f"the answer is {soc.name(code)}") for code in self.codes)
        return (*groups, *_OTHERS)

    def mark(self, titles: Packed, codes: Codes) -> NDArray[np.uint64]:
        """Return the flags of each row as the bits of an integer, bit i for the i-th statement; shape (titles,)."""
        labels, reasons = codes.labels[:, 0, 0].astype(np.int64), codes.reasons[:, 0]
        marks = np.where(labels == NO_CODE, np.uint64(0), self._bits[np.maximum(labels, 0)])
        sure = confidence.of(codes.scores[:, 0, 0], "major")
        words = shape.words(titles)
        is_unknown = ~among(words.hashes, self.words) & (len(self.words) > 0)
        *text, is_empty = shape.columns(titles, words, is_unknown)
        columns = [
            is_empty,
            *((reasons == REASONS.index(flag.name)) & ~is_empty for flag in _QUALITY[1:]),
            np.isin(reasons, [REASONS.index(reason) for reason in _UNSURE]),
            (labels != NO_CODE) & (sure < 0.5),
            *text,
        ]
        return shape.with_bits(marks, columns, len(self.watched))

    def answered(self, coder: Coder, titles: Sequence[str]) -> Marked:
        """Return titles with a coder's answers and their flags."""
        packed = Packed.of(titles)
        codes = coder.code(packed)
        labels, sure = codes.labels[:, 0, 0].astype(np.int64), confidence.of(codes.scores[:, 0, 0], "major")
        return Marked(packed, self.mark(packed, codes), labels, sure)


def prediction_baseline(classifier: Classifier, digest: str, titles: Sequence[str], source: str) -> Profile:
    """Return the profile of titles that the classifier has not seen in training, for later ones to be compared with.

    Args:
        classifier: What answers.
        digest: Of its manifest.
        titles: Each counts once.
        source: The name of the data.
    """
    stated = Flags.of(classifier)
    builder = Builder(stated.all)
    with threadpool_limits(1):  # as in `observe`
        answered = stated.answered(classifier.coder(("major",)), [title[:LONGEST] for title in titles])
    builder.add(answered, np.ones(len(titles), np.int64))
    return builder.profile({"kind": TRAINING, "source": source, "column": None, "unit": None, "model": digest})

"""The titles that training lists, with their codes, and how much of any text training has seen.

Both are kept as hashes beside the model, whatever its recipe. So what somebody has said of a title counts (`weights`
says how much), and a text that resembles no title is not taken for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.tables.packed import Packed, among

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

POLYNOMIAL, BLAKE = "polynomial", "blake2b"  # the hash of `tables.packed.hashes`, and that of jobmajor 0.1
_BLANK, _END = b" \n"
_RUN = 4  # bytes
_ROUNDING = 1e-4
_TYPES = {"titles": "uint64", "starts": "int32", "codes": "int16", "shares": "float32", "words": "uint64"}
_TYPES |= {"runs": "uint32"}
_NEWER = {"kept": "float32", "kinds": "uint8", "marks": "uint8"}  # a model of jobmajor 0.1 has none of them

# Bits of the mark of a listing, beside the number of O*NET's own sources.
MOST_SOURCES, MEMBER, OFFICIAL, DIRECT, CURRENT = 15, 16, 32, 64, 128
NAMED = OFFICIAL | DIRECT  # the SOC itself names the title
SETTLED = NAMED | CURRENT  # or our table of titles of the last ten years does
CONTRADICTED = 1  # the bits of the kind of a title are this one and `OFFICIAL`


@dataclass(frozen=True, slots=True)
class Listed:
    """The titles of training and what they are made of; 1.4 MB for a release.

    Attributes:
        titles: uint64, (titles,); a hash of each normalised title, ascending.
        starts: int32, (titles + 1,); each title's part of the next two.
        codes: int16, (listings,); columns of the detailed codes.
        shares: float32, (listings,); what is added to the model's share of the code.
        words: uint64, (words,); a hash of each word, ascending.
        runs: uint32, (runs,); 4 neighbouring bytes, with a blank before and after each word, ascending.
        kept: float32, (titles,); the factor of the model's shares. With what is added, a title's shares sum to 1.
        kinds: uint8, (titles,); `OFFICIAL` where the SOC names the title, `CONTRADICTED` where the model disagrees with
            a single listing.
        marks: uint8, (listings,); how many of O*NET's sources list the code, and `MEMBER`, `OFFICIAL`, `DIRECT`
            or `CURRENT`.
        hashed: By what titles and words are hashed: `POLYNOMIAL`, or `BLAKE` in a model of jobmajor 0.1, which only
            Python reads.
    """

    titles: NDArray[np.uint64]
    starts: NDArray[np.int32]
    codes: NDArray[np.int16]
    shares: NDArray[np.float32]
    words: NDArray[np.uint64]
    runs: NDArray[np.uint32]
    kept: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    marks: NDArray[np.uint8]
    hashed: str = POLYNOMIAL

    def titles_of(self, codes: int) -> NDArray[np.float64]:
        """Return how many titles each of so many detailed codes has; one of several codes is divided among them."""
        listings = np.diff(self.starts)
        parts: NDArray[np.float64] = np.repeat(1 / np.maximum(listings, 1), listings)
        return np.bincount(self.codes, weights=parts, minlength=codes).astype(np.float64)

    @classmethod
    def none(cls) -> Listed:
        """Return a value for an unknown training: it lists no title, and no text is strange to it."""
        arrays: dict[str, Any] = {name: np.zeros(0, kind) for name, kind in (_TYPES | _NEWER).items()}
        return cls(**{**arrays, "starts": np.zeros(1, np.int32)})

    @classmethod
    def from_mapping(cls, arrays: Mapping[str, NDArray[Any]], codes: int, hashed: str = POLYNOMIAL) -> Listed:
        """Check the arrays against each other and the number of detailed codes, and return them as one value.

        Raises:
            ValueError: They don't; says which is wrong.
        """
        if not arrays.keys() & _NEWER.keys():
            arrays = {**arrays, **_older(arrays)}
        found = {name: (str(array.dtype), array.ndim) for name, array in arrays.items()}
        expected = {name: (kind, 1) for name, kind in (_TYPES | _NEWER).items()}
        if found != expected:
            wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
            raise ValueError(f"the arrays {wrong} are missing, foreign or of another type")
        if hashed not in (POLYNOMIAL, BLAKE):
            raise ValueError(f"its titles are hashed by {hashed!r}, expected {POLYNOMIAL!r}")
        listed = cls(**arrays, hashed=hashed)
        if wrong := [name for name, fits in listed._fits(codes).items() if not fits]:
            raise ValueError(f"the arrays {wrong} don't fit the others")
        return listed

    def _fits(self, codes: int) -> dict[str, bool]:
        counts, listings = np.diff(self.starts), len(self.codes)
        is_parted = self.starts[:1].tolist() == [0] and self.starts[-1] == listings and bool((counts > 0).all())
        fits = {
            "titles": len(self.titles) == len(counts) and _is_ascending(self.titles),
            "starts": is_parted,
            "codes": bool(((self.codes >= 0) & (self.codes < codes)).all()),
            "shares": len(self.shares) == listings and bool((self.shares >= 0).all()),
            "kept": len(self.kept) == len(counts) and bool(((self.kept >= 0) & (self.kept <= 1)).all()),
            "kinds": len(self.kinds) == len(counts),
            "marks": len(self.marks) == listings,
            "words": _is_ascending(self.words),
            "runs": _is_ascending(self.runs),
        }
        if listings and is_parted and fits["shares"] and fits["kept"]:
            sums = np.add.reduceat(self.shares, self.starts[:-1]) + self.kept
            fits["shares"] = bool((abs(sums - 1) < _ROUNDING).all())
        return fits

    def to_mapping(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in _TYPES | _NEWER}

    def find(self, texts: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Find the normalised titles that training lists: return their positions in `texts` and in `titles`."""
        hashes = self._hashes(texts)
        rows = np.flatnonzero(among(hashes, self.titles))
        return rows, np.searchsorted(self.titles, hashes[rows])

    def weigh(self, titles: NDArray[np.intp], shares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the shares of listed titles.

        Args:
            titles: Positions in `titles`, shape (found,).
            shares: The model's, shape (found, codes).
        """
        begins = self.starts[titles].astype(np.int64)
        counts = self.starts[titles + 1] - begins
        entries = np.arange(counts.sum()) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
        found: NDArray[np.float32] = shares * self.kept[titles, None]
        found[np.repeat(np.arange(len(titles)), counts), self.codes[entries]] += self.shares[entries]
        return found

    def known_share(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how much of each text training has seen: the share of its words and runs together, shape (titles,).

        0 for an empty text, and 1 for every text where nothing is known of the training.
        """
        if not len(self.words):
            return np.ones(len(texts), np.float32)
        titles = [text.split() for text in texts]
        counts, words = np.array(list(map(len, titles)), np.int64), [word for title in titles for word in title]
        text_of = np.repeat(np.arange(len(texts)), counts)[among(self._hashes(words), self.words)]
        runs, title_of = _runs(texts)
        seen = np.bincount(text_of, minlength=len(texts)) + _count(title_of[among(runs, self.runs)], texts)
        shares: NDArray[np.float32] = (seen / np.maximum(counts + _count(title_of, texts), 1)).astype(np.float32)
        return shares

    def _hashes(self, texts: Sequence[str]) -> NDArray[np.uint64]:
        if self.hashed == BLAKE:
            return np.frombuffer(b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts), "<u8")
        return Packed.of(texts).hashes()


def learn(texts: Sequence[str], columns: NDArray[np.int64]) -> Listed:
    """Return what a training lists; a title's shares are those of its rows that list each code.

    Args:
        texts: The normalised title of each row.
        columns: The column of each row's detailed code, shape (rows,).
    """
    hashes, title_of = np.unique(Packed.of(texts).hashes(), return_inverse=True)
    pairs, rows = np.unique(np.column_stack([title_of, columns]), axis=0, return_counts=True)
    starts = np.searchsorted(pairs[:, 0], np.arange(len(hashes) + 1))
    totals = np.add.reduceat(rows, starts[:-1])
    return Listed(
        titles=hashes,
        starts=starts.astype(np.int32),
        codes=pairs[:, 1].astype(np.int16),
        shares=(rows / totals[pairs[:, 0]]).astype(np.float32),
        words=np.unique(Packed.of(sorted({word for text in texts for word in text.split()})).hashes()),
        runs=np.unique(_runs(texts)[0]),
        kept=np.zeros(len(hashes), np.float32),
        kinds=np.zeros(len(hashes), np.uint8),
        marks=np.zeros(len(pairs), np.uint8),
    )


def _older(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays that a model of jobmajor 0.1 lacks: its listings replace the model's shares."""
    sizes = {"kept": len(arrays.get("titles", ())), "kinds": len(arrays.get("titles", ()))}
    sizes["marks"] = len(arrays.get("codes", ()))
    return {name: np.zeros(size, _NEWER[name]) for name, size in sizes.items()}


def _runs(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the runs of 4 bytes that hold a blank at most at their ends, and the title of each."""
    buffer = np.frombuffer("".join(f" {text} \n" for text in texts).encode(), np.uint8)
    if len(buffer) < _RUN:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64)
    values = np.zeros(len(buffer) - _RUN + 1, np.uint32)
    for offset in range(_RUN):
        values = values << np.uint32(8) | buffer[offset : len(values) + offset]
    whole = (buffer[1:-2] > _BLANK) & (buffer[2:-1] > _BLANK)  # a blank in between would part two words
    return values[whole], np.cumsum(buffer == _END)[: len(values)][whole]


def _count(titles: NDArray[np.int64], texts: Sequence[str]) -> NDArray[np.int64]:
    return np.bincount(titles, minlength=len(texts))


def _is_ascending(values: NDArray[Any]) -> bool:
    return bool((values[1:] > values[:-1]).all())

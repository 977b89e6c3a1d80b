"""The files of the checkpoint that training starts with: a user's folder, or a download from Hugging Face's hub.

A job has no network, here as on SageMaker, so its base must come as data; and a name on the hub may hold other weights
tomorrow, while files have a digest. Nothing of torch is loaded here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jobmajor.data.source import FetchOptions
from jobmajor.errors import InputError

_TAKEN = (".json", ".safetensors", ".txt", ".model")  # configuration, weights, words; no pickles and no code


def files(checkpoint: str) -> list[Path]:
    """Return the files of a checkpoint, in the order of their names.

    Raises:
        InputError: It is neither a folder with a checkpoint nor one on the hub that can be reached.
    """
    folder = Path(checkpoint)
    found = sorted(_usable(folder if folder.is_dir() else _fetched(checkpoint)))
    names = {path.name for path in found}
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        shown = ", ".join(sorted(names)[:5]) or "nothing of use"
        raise InputError(
            f"checkpoint {checkpoint!r} holds {shown}: expected config.json, tokenizer.json and model.safetensors; "
            "pickled weights are refused"
        )
    return found


def _usable(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in _TAKEN and path.is_file()]


def _fetched(name: str) -> Path:
    """Return the folder of the checkpoint in the hub's cache on this machine."""
    import huggingface_hub  # noqa: PLC0415 - comes with the extra, and slow to load
    from huggingface_hub import errors  # noqa: PLC0415 - as above
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415 - as above

    if not sys.stderr.isatty():
        disable_progress_bars()
    patterns = [f"*{suffix}" for suffix in _TAKEN]
    try:
        return Path(
            huggingface_hub.snapshot_download(name, allow_patterns=patterns, local_files_only=FetchOptions().is_offline)
        )
    except (errors.HfHubHTTPError, OSError, ValueError) as error:
        why = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise InputError(
            f"checkpoint {name!r} is no folder, and the hub did not give it ({why}): name a folder with config.json, "
            "tokenizer.json and model.safetensors, or a name on the hub and be online"
        ) from error

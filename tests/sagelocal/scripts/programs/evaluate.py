"""The share of test rows whose last word has the right code."""

import json
import tarfile
from pathlib import Path

ROOT = Path("/opt/ml/processing")
with tarfile.open(ROOT / "model" / "model.tar.gz") as archive:
    file = archive.extractfile("model.json")
    words = json.loads(file.read() if file else b"{}")
rows = [line.split(",") for line in (ROOT / "test" / "test.csv").read_text().splitlines()]
right = sum(words.get(title.split()[-1]) == code for title, code in rows)
report = {"classification_metrics": {"test_f1": right / len(rows)}}
(ROOT / "evaluation" / "evaluation.json").write_text(json.dumps(report))

"""What AWS's training toolkit does in a framework's image: its variables, then the script with the hyperparameters.

Scripts of SDK v2 are in /opt/ml/code; those of SDK v3 are a channel, and its drivers would do the same there.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path("/opt/ml")
given = json.loads((ROOT / "input/config/hyperparameters.json").read_text())
program = json.loads(given.get("sagemaker_program", '"fit.py"'))
os.environ["SM_MODEL_DIR"] = str(ROOT / "model")
for folder in (ROOT / "input/data").iterdir():
    os.environ[f"SM_CHANNEL_{folder.name.upper()}"] = str(folder)
folder = ROOT / ("code" if "sagemaker_program" in given else "input/data/code")
settings = {name: text.strip('"') for name, text in given.items() if "sagemaker_" not in name}
argv = [text for name, value in settings.items() for text in (f"--{name}", value)]
sys.exit(subprocess.run([sys.executable, str(folder / program), *argv], check=False).returncode)

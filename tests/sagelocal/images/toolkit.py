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
for name, value in settings.items():
    os.environ[f"SM_HP_{name.upper()}"] = "" if value == "null" else value
argv = [text for name, value in settings.items() for text in (f"--{name}", value)]
interpreter = "bash" if program.endswith(".sh") else sys.executable
sys.exit(subprocess.run([interpreter, str(folder / program), *argv], cwd=folder, check=False).returncode)

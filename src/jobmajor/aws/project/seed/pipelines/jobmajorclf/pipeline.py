"""The pipeline of this repository, as a build calls it: its definition, where its image goes, and a run of it.

Steps, settings and conditions are jobmajor's own, in `vendor/jobmajor`; what is particular to this project stands in
`jobmajor.toml`. `run-pipeline --module-name pipelines.jobmajorclf.pipeline`, as AWS's template calls it, works too.
"""

from __future__ import annotations

import sys

from jobmajor.aws.project import build

MODULE = "pipelines.jobmajorclf.pipeline"

if __name__ == "__main__":
    sys.exit(build.main(MODULE, sys.argv[1:]))

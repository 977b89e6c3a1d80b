"""The function of a Lambda step: of two models, one answers, and the other sees the same requests as its shadow.

In an account it would send this request; here it writes it to endpoint.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the name of the endpoint and how many variants it has."""
    variants = {
        kind: [{"VariantName": name, "ModelName": event[name], "InitialInstanceCount": 1}]
        for kind, name in (("ProductionVariants", "production"), ("ShadowProductionVariants", "shadow"))
    }
    Path("endpoint.json").write_text(json.dumps({"EndpointName": event["endpoint"], **variants}))
    return {"endpoint": event["endpoint"], "variants": sum(map(len, variants.values()))}

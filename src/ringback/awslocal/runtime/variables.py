"""The environment variables of a function's process."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ringback.awslocal.model import Function, Place
from ringback.awslocal.runtime.start import GATEWAYS

KEPT = ("HOME", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_FILE", "TMPDIR", "VIRTUAL_ENV")
"""What a process gets of ours. Nothing else: no credentials, and no settings but the template's."""


@dataclass(kw_only=True)
class Surroundings:
    """Where functions find what stands for AWS."""

    place: Place = field(default_factory=Place)
    endpoint: str = ""
    """moto's URL."""
    lambda_endpoint: str = ""
    gateways: dict[str, str] = field(default_factory=dict)
    """From the host that an API has on AWS, or here, to the URL of its gateway."""
    extra: dict[str, str] = field(default_factory=dict)

    def rewritten(self, text: str) -> str:
        """`text` with addresses of APIs on AWS replaced by those of this machine."""
        for host, url in self.gateways.items():
            for scheme, local in (("https", "http"), ("wss", "ws")):
                if f"{scheme}://{host}" in text:
                    base = url.replace("http", local, 1)
                    text = text.replace(f"{scheme}://{host}", base)
        return text


def variables(function: Function, around: Surroundings) -> Mapping[str, str]:
    """All of them, but for those that belong to one process."""
    place = around.place
    layers = [str(folder / "python") for folder in function.layers]
    made = {name: os.environ[name] for name in KEPT if name in os.environ}
    made |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": place.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": around.endpoint,
        "AWS_ENDPOINT_URL_LAMBDA": around.lambda_endpoint,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": (
            f"{time.strftime('%Y/%m/%d')}/[$LATEST]{secrets.token_hex(16)}"
        ),
        "AWS_REGION": place.region,
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LAMBDA_RUNTIME_DIR": str(Path(sys.executable).parent),
        "LAMBDA_TASK_ROOT": str(function.code),
        "LANG": "en_US.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": os.pathsep.join(layers),
        "TZ": ":UTC",
    }
    made |= around.extra
    made |= {name: around.rewritten(value) for name, value in function.environment.items()}
    made[GATEWAYS] = json.dumps(around.gateways)
    return made

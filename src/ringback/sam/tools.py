"""The ordinary tools, and the commands by which they deploy: SAM's command line, or AWS's."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringback.errors import ConfigurationError
from ringback.sam.plan import MAX_NAME

MISSING = (
    "Neither `sam` nor `aws` is here, and one of them deploys. Install one: "
    "pip install aws-sam-cli, or pip install awscli."
)
NO_ARTIFACTS = (
    "`aws` puts the code into a bucket of yours first: give --artifacts BUCKET (make one with "
    "`aws s3 mb s3://NAME`). With `sam` (pip install aws-sam-cli) none is needed: it makes one."
)
SECRET = "JwtSecret"  # noqa: S105 - the name of a parameter
"""Is not printed."""
_STACK = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is deployed, and as what."""

    folder: Path
    stack: str
    region: str | None = None
    profile: str | None = None
    artifacts: str | None = None
    parameters: Mapping[str, str]

    @property
    def template(self) -> Path:
        return self.folder / "template.yaml"

    @property
    def packaged(self) -> Path:
        return self.folder / "packaged.yaml"

    def commands(self) -> list[list[str]]:
        """What is to be run, one after the other. Raises ``ConfigurationError``, with the cure."""
        if shutil.which("sam") is not None:
            return [self._with_sam()]
        if shutil.which("aws") is not None:
            return self._with_aws()
        raise ConfigurationError(MISSING)

    def _with_sam(self) -> list[str]:
        where = ["--s3-bucket", self.artifacts] if self.artifacts else ["--resolve-s3"]
        return [
            *("sam", "deploy"),
            *("--template-file", str(self.template)),
            *("--stack-name", self.stack),
            *where,
            *("--capabilities", "CAPABILITY_IAM"),
            "--no-confirm-changeset",
            "--no-fail-on-empty-changeset",
            *self._place(),
            *self._parameters(),
        ]

    def _with_aws(self) -> list[list[str]]:
        if not self.artifacts:
            raise ConfigurationError(NO_ARTIFACTS)
        bucket = ["--s3-bucket", self.artifacts, "--s3-prefix", self.stack]
        package = [
            *("aws", "cloudformation", "package"),
            *("--template-file", str(self.template)),
            *bucket,
            *("--output-template-file", str(self.packaged)),
            *self._place(),
        ]
        deploy = [
            *("aws", "cloudformation", "deploy"),
            *("--template-file", str(self.packaged)),
            *("--stack-name", self.stack),
            *bucket,  # the template is longer than CloudFormation takes by itself
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
            "--no-fail-on-empty-changeset",
            *self._place(),
            *self._parameters(),
        ]
        return [package, deploy]

    def _place(self) -> list[str]:
        return [
            *(["--region", self.region] if self.region else []),
            *(["--profile", self.profile] if self.profile else []),
        ]

    def _parameters(self) -> list[str]:
        listed = [f"{name}={value}" for name, value in self.parameters.items()]
        return ["--parameter-overrides", *listed] if listed else []


def stack_name(name: str) -> str:
    """The name of a stack as it was given. Raises ``ConfigurationError`` for one that is none."""
    if _STACK.fullmatch(name) is None or len(name) > MAX_NAME:
        raise ConfigurationError(
            f"{name!r} is no name for the stack: it is a part of the bucket's, so it has small "
            f"letters, digits and '-', begins with a letter, and has at most {MAX_NAME} characters."
        )
    return name


def stack_of(application: str) -> str:
    """A stack's name made of an application's."""
    made = re.sub(r"[^a-z0-9]+", "-", application.lower()).strip("-0123456789")
    return made[:MAX_NAME].strip("-") or "ringback"


def given(pairs: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Parameters as the command line has them. Raises ``ConfigurationError``."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            raise ConfigurationError(
                f"{pair!r} is no parameter; write NAME=VALUE, where NAME is one of: "
                f"{', '.join(known)}."
            )
        found[name] = value
    return found


def shown(command: Sequence[str]) -> str:
    """A command as a shell takes it, without what is secret."""
    return shlex.join(
        f"{SECRET}=..." if word.startswith(f"{SECRET}=") else word for word in command
    )


def run(command: Sequence[str]) -> None:
    """Run a tool, which says by itself what it does. Raises ``ConfigurationError``."""
    try:
        status = subprocess.run(command, check=False).returncode  # noqa: S603 - as it was shown
    except OSError as error:
        raise ConfigurationError(f"{command[0]} cannot be run: {error.strerror}.") from None
    if status != 0:
        raise ConfigurationError(f"It ended with status {status}: {shown(command)}")

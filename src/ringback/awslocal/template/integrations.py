"""Integrations and CORS, in the words of resources and of OpenAPI documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringback.awslocal.model import Cors, Integration
from ringback.awslocal.template.context import Context, listed, truth


def integration(properties: Mapping[str, Any], context: Context) -> Integration:
    """An integration, in the words of the resource; OpenAPI's are turned into these before."""
    uri = properties.get("IntegrationUri")
    function = context.function(uri) if uri else None
    milliseconds = properties.get("TimeoutInMillis")
    return Integration(
        type=str(properties.get("IntegrationType", "AWS_PROXY")).upper(),
        function=function,
        uri=None if function or uri is None else str(uri),
        method=properties.get("IntegrationMethod"),
        payload_format=str(properties.get("PayloadFormatVersion", "1.0")),
        timeout=None if milliseconds is None else float(milliseconds) / 1000,
        subtype=properties.get("IntegrationSubtype"),
        parameters={k: str(v) for k, v in (properties.get("RequestParameters") or {}).items()},
        templates={k: str(v) for k, v in (properties.get("RequestTemplates") or {}).items()},
        template_selection=properties.get("TemplateSelectionExpression"),
    )


def cors(given: Any) -> Cors | None:
    """A CORS configuration, in the resource's spelling or in OpenAPI's."""
    if not isinstance(given, Mapping):
        return None
    said = {key[0].upper() + key[1:]: value for key, value in given.items()}
    age = said.get("MaxAge")
    return Cors(
        allow_origins=tuple(map(str, listed(said.get("AllowOrigins")))),
        allow_methods=tuple(map(str, listed(said.get("AllowMethods")))),
        allow_headers=tuple(map(str, listed(said.get("AllowHeaders")))),
        expose_headers=tuple(map(str, listed(said.get("ExposeHeaders")))),
        max_age=None if age is None else int(age),
        allow_credentials=truth(said.get("AllowCredentials")),
    )

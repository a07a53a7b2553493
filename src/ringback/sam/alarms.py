"""Alarms: each tells the alarm topic, and says in its description what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringback.sam.yaml import ref

PERIOD = 60
"""Seconds that are counted together."""


def alarm(
    name: str,
    description: str,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, Any],
    *,
    statistic: str = "Sum",
    threshold: int = 0,
    periods: int = 1,
) -> tuple[str, dict[str, Any]]:
    """An alarm for more than ``threshold``, for as many minutes as ``periods``."""
    return (
        f"{name}Alarm",
        {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmDescription": description,
                "Namespace": namespace,
                "MetricName": metric,
                **_of(dimensions),
                "Statistic": statistic,
                "Period": PERIOD,
                "EvaluationPeriods": periods,
                "Threshold": threshold,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "notBreaching",
                "AlarmActions": [ref("Alarms")],
                "OKActions": [ref("Alarms")],
            },
        },
    )


def _of(dimensions: Mapping[str, Any]) -> dict[str, Any]:
    """What is measured; nothing: the account's whole."""
    listed = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Dimensions": listed} if listed else {}

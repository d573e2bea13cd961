"""Metrics in log lines (embedded metric format), which LocalStack's Logs leaves in the lines.

Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format"
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html): a line
is one JSON object. Each directive in `_aws.CloudWatchMetrics` has a `Namespace`, `Metrics` and `Dimensions`; each set of
dimensions gives every metric once. Values, numbers or arrays of numbers, and dimensions are members of the line.
"""

import json
import logging
from concurrent.futures import ThreadPoolExecutor

LOG = logging.getLogger(__name__)
# CloudWatch takes this many at once (Amazon CloudWatch API Reference, `PutMetricData`).
MOST = 1000
# One, so that an invocation does not wait for its metrics, and they are put in order.
_putter = ThreadPoolExecutor(1)


def publish(lines: str, account: str, region: str) -> None:
    """Puts the metrics of these log lines, soon after this returns."""
    found: dict[str, list[dict]] = {}
    for line in lines.splitlines():
        for namespace, datum in metrics_of(line):
            found.setdefault(namespace, []).append(datum)
    if found:
        _putter.submit(_put, found, account, region)


def metrics_of(line: str) -> list[tuple[str, dict]]:
    """The metrics of a log line: namespace, and datum as `PutMetricData` takes it. None if it is not in the format."""
    if '"_aws"' not in line:
        return []
    try:
        members = json.loads(line)
        about = members["_aws"]
        return [
            (directive["Namespace"], _datum(members, about["Timestamp"], metric, names))
            for directive in about["CloudWatchMetrics"]
            for names in directive["Dimensions"]
            for metric in directive["Metrics"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        LOG.warning("CloudWatch would refuse the metrics of %s: %r", line, error)
        return []


def _datum(members: dict, timestamp: int, metric: dict, dimensions: list[str]) -> dict:
    value = members[metric["Name"]]
    return {
        "MetricName": metric["Name"],
        "Dimensions": [{"Name": name, "Value": members[name]} for name in dimensions],
        # In the line, milliseconds.
        "Timestamp": timestamp / 1000,
        "Unit": metric.get("Unit", "None"),
        **({"Values": value} if isinstance(value, list) else {"Value": value}),
    }


def _put(found: dict[str, list[dict]], account: str, region: str) -> None:
    from localstack.aws.connect import connect_to

    client = connect_to(aws_access_key_id=account, region_name=region).cloudwatch
    for namespace, data in found.items():
        for first in range(0, len(data), MOST):
            try:
                client.put_metric_data(Namespace=namespace, MetricData=data[first : first + MOST])
            except Exception as error:  # noqa: BLE001 - a lost metric must not fail an invocation
                LOG.warning("metrics of %s are lost: %s", namespace, error)

#!/usr/bin/env python3
"""Reduces botocore's service models to what the strict wire reads: the input of each operation that Leadstream uses,
and the names of its errors.

    .venv/bin/python shared/testkit/src/strict/models/trim.py

Run it after a change to OPERATIONS, and after upgrading botocore in infra/local/requirements.txt.
"""

import gzip
import json
from pathlib import Path

import botocore

OPERATIONS = {
    "dynamodb/2012-08-10": [
        "BatchGetItem", "DescribeTable", "GetItem", "PutItem", "Query", "Scan", "TransactWriteItems", "UpdateItem",
        "UpdateTable",
    ],
    "sqs/2012-11-05": [
        "ChangeMessageVisibilityBatch", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage",
        "SendMessageBatch",
    ],
    "sesv2/2019-09-27": ["GetAccount", "GetConfigurationSetEventDestinations", "SendEmail"],
}
DATA = Path(botocore.__file__).parent / "data"
HERE = Path(__file__).resolve().parent
METADATA = ("protocol", "targetPrefix", "signingName", "endpointPrefix")
OF_A_SHAPE = ("type", "members", "required", "member", "key", "value", "enum", "min", "max", "pattern", "union", "document")


def main() -> None:
    for service, names in OPERATIONS.items():
        model = json.loads(gzip.decompress((DATA / service / "service-2.json.gz").read_bytes()))
        shapes = {}
        operations = {name: model["operations"][name] for name in names}
        for operation in operations.values():
            _keep(model["shapes"], operation["input"]["shape"], shapes)
        trimmed = {
            "botocore": botocore.__version__,
            "metadata": {key: value for key, value in model["metadata"].items() if key in METADATA},
            "operations": {
                name: {
                    "http": operation["http"],
                    "input": operation["input"]["shape"],
                    "errors": [error["shape"] for error in operation.get("errors", [])],
                }
                for name, operation in operations.items()
            },
            "shapes": dict(sorted(shapes.items())),
        }
        path = HERE / f"{service.split('/')[0]}.json"
        path.write_text(json.dumps(trimmed, indent=1) + "\n")


def _keep(all_shapes: dict, name: str, kept: dict) -> None:
    """Copies a shape and every shape it refers to; of a member, only the name of its shape is kept."""
    if name in kept:
        return
    shape = {key: value for key, value in all_shapes[name].items() if key in OF_A_SHAPE}
    kept[name] = shape
    for member in shape.get("members", {}).values():
        assert member.get("location", "uri") == "uri", f"{name}: only bodies and paths are checked"
    if "members" in shape:
        shape["members"] = {member: value["shape"] for member, value in shape["members"].items()}
    for part in ("member", "key", "value"):
        if part in shape:
            shape[part] = shape[part]["shape"]
    for used in [*shape.get("members", {}).values(), *(shape[part] for part in ("member", "key", "value") if part in shape)]:
        _keep(all_shapes, used, kept)


if __name__ == "__main__":
    main()

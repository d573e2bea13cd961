"""SAM's transform for LocalStack, done by SAM's own library before LocalStack gets the template.

LocalStack resolves references before it transforms (`localstack/services/cloudformation/engine/v2/
change_set_model_transform.py`, `_execute_local_transforms`). So it knows no `Recorder.Alias`, and never comes to an end with
a function that names alarms which name the function. Nor can it update an alias (`localstack/services/lambda_/
resource_providers/lambda_alias.py`): it would create it again. Here aliases therefore begin at `$LATEST` and never change;
the deployer moves them to the deployed version.
"""

import json
import logging
import os
from unittest import mock

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# It warns of metrics that it does not publish.
logging.getLogger("samtranslator").setLevel(logging.ERROR)


class _NoManagedPolicies:
    """The template names none."""

    def load(self) -> dict:
        return {}


def transformed(template: str, parameters: dict[str, str], region: str) -> str:
    """The template as CloudFormation would have it after the transform, with aliases that it leaves alone."""
    with mock.patch.dict(os.environ, AWS_DEFAULT_REGION=region):
        result = transform(yaml_parse(template), parameters, _NoManagedPolicies())
    result.pop("Transform", None)
    for resource in result["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Alias":
            resource["Properties"]["FunctionVersion"] = "$LATEST"
        # It knows no dashboards, but resolves their bodies even to delete half a stack, whose alarms it then misses.
        if resource["Type"] == "AWS::CloudWatch::Dashboard":
            resource["Properties"]["DashboardBody"] = "{}"
    return json.dumps(result)

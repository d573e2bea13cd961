"""What LocalStack gets instead of the template."""

import json
import unittest
from pathlib import Path

import sam

TEMPLATE = Path(__file__).resolve().parents[2] / "infra" / "template.yaml"
FUNCTIONS = ("Recorder", "Reactor", "Sweeper", "Receipts")


class Transformed(unittest.TestCase):
    def resources(self, rollout: str) -> dict[str, dict]:
        template = TEMPLATE.read_text(encoding="utf-8").replace("CodeUri: ../target/lambda/", "CodeUri: s3://bucket/")
        content = json.loads(sam.transformed(template, {"Rollout": rollout}, "us-east-1"))
        self.assertNotIn("Transform", content)
        return content["Resources"]

    def of_type(self, resources: dict, kind: str) -> list[str]:
        return [name for name, one in resources.items() if one["Type"] == kind]

    def test_aliases_stay_for_the_deployer_to_move(self):
        found = self.resources("AllAtOnce")
        self.assertEqual([f"{name}Aliaslive" for name in FUNCTIONS], self.of_type(found, "AWS::Lambda::Alias"))
        for name in FUNCTIONS:
            self.assertEqual("$LATEST", found[f"{name}Aliaslive"]["Properties"]["FunctionVersion"])
        self.assertEqual(4, len(self.of_type(found, "AWS::Lambda::Version")))
        self.assertEqual({"Ref": "RecorderAliaslive"}, found["OfferEventsToRecorder"]["Properties"]["FunctionName"])
        self.assertEqual("{}", found["Dashboard"]["Properties"]["DashboardBody"])

    def test_codedeploy_is_only_there_for_a_gradual_rollout(self):
        groups = "AWS::CodeDeploy::DeploymentGroup"
        self.assertEqual([], self.of_type(self.resources("AllAtOnce"), groups))
        gradual = self.resources("Linear10PercentEvery1Minute")
        self.assertEqual([f"{name}DeploymentGroup" for name in FUNCTIONS], self.of_type(gradual, groups))
        # SAM creates no role of its own.
        self.assertNotIn("CodeDeployServiceRole", gradual)


if __name__ == "__main__":
    unittest.main()

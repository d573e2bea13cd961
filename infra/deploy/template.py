"""What the deployer knows of `infra/template.yaml`: its parameters with their constraints, and the names it derives."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
# The longest names: Amazon SQS Developer Guide, "Message quotas"; Lambda API, FunctionName; SES API v2,
# ConfigurationSetName.
LONGEST = {
    "AWS::SQS::Queue": ("QueueName", 80),
    "AWS::Serverless::Function": ("FunctionName", 64),
    "AWS::SES::ConfigurationSet": ("Name", 64),
}
STACK_NAME = "${AWS::StackName}"


# libyaml is ten times faster than PyYAML's own parser, but not part of every build.
_Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """Reads `!Ref x`, `!Sub x` and the like as `x`."""


class _TaggedLoader(_Base):
    """Reads `!Ref x` as `{"!": "Ref", "of": "x"}`."""


def _untagged(loader: yaml.Loader, _tag: str, node: yaml.Node):
    match node:
        case yaml.ScalarNode():
            return loader.construct_scalar(node)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case _:
            return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _untagged)
_TaggedLoader.add_multi_constructor("!", lambda loader, tag, node: {"!": tag, "of": _untagged(loader, tag, node)})


def with_tags(text: str) -> dict:
    """The content of a template. Each function of CloudFormation in it is a mapping with its name under `!`."""
    return yaml.load(text, _TaggedLoader)


@dataclass(frozen=True)
class Parameter:
    """A parameter of the template. Its values are strings, as in CloudFormation."""

    name: str
    declared: dict

    @property
    def default(self) -> str | None:
        default = self.declared.get("Default")
        return None if default is None else str(default)

    def complaint(self, value: str) -> str | None:
        """Why CloudFormation, or a resource, would not accept the value; one sentence that also says what it accepts."""
        allowed = [str(one) for one in self.declared.get("AllowedValues", [])]
        if value == "" and self.default != "":
            return f"{self.name} is empty: give it a value or leave it out."
        if allowed and value not in allowed:
            return f"{self.name} is {value!r}: it must be one of {', '.join(allowed)}."
        if self.declared["Type"] == "Number":
            return self._complaint_about_number(value)
        pattern = self.declared.get("AllowedPattern")
        if pattern and not re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value):
            return f"{self.name} is {value!r}: it must match {pattern} ({self.declared['Description'].strip()})"
        return None

    def _complaint_about_number(self, value: str) -> str | None:
        low, high = self.declared.get("MinValue"), self.declared.get("MaxValue")
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            return f"{self.name} is {value!r}: it must be a number."
        if low is not None and float(value) < low:
            return f"{self.name} is {value}: it must be at least {low}."
        if high is not None and float(value) > high:
            return f"{self.name} is {value}: it must be at most {high}."
        return None


class Template:
    """A template's text and what is declared in it."""

    def __init__(self, text: str):
        self.text = text
        self._content = yaml.load(text, _Loader)
        self.parameters = {
            name: Parameter(name, declared) for name, declared in self._content["Parameters"].items()
        }

    def longest_stack_name(self) -> int:
        """The number of characters that a stack's name may have, so that no name derived from it is too long."""
        lengths = [128]  # CloudFormation's own limit
        for resource in self._content["Resources"].values():
            if resource["Type"] in LONGEST:
                property_name, longest = LONGEST[resource["Type"]]
                lengths.append(longest - len(resource["Properties"][property_name].replace(STACK_NAME, "")))
        return min(lengths)

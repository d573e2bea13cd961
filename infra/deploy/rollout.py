"""The alias `live` of each function: where it is, and how it is moved back and forward without a deployment."""

from dataclasses import dataclass

from deploy import Refused
from deploy.account import Account

ALIAS = "live"


@dataclass(frozen=True)
class Live:
    """A function's alias."""

    function: str
    # The version that it names, and the one that the stack deployed last.
    version: str
    deployed: str
    # Whether CodeDeploy is shifting invocations to another version.
    is_shifting: bool

    def __str__(self) -> str:
        return f"{self.function} {self.version}"


def aliases(account: Account, resources: list[dict]) -> list[Live]:
    """The aliases among the resources of a stack, by function."""
    client = account.client("lambda")
    deployed: dict[str, int] = {}
    for one in resources:
        if one["ResourceType"] == "AWS::Lambda::Version":
            function, _, version = _qualified(one["PhysicalResourceId"])
            deployed[function] = max(deployed.get(function, 0), int(version))
    found = []
    for one in resources:
        if one["ResourceType"] == "AWS::Lambda::Alias":
            function, _, name = _qualified(one["PhysicalResourceId"])
            alias = client.get_alias(FunctionName=function, Name=name)
            found.append(Live(
                function, alias["FunctionVersion"], str(deployed.get(function, alias["FunctionVersion"])),
                bool(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")),
            ))
    return sorted(found, key=lambda one: one.function)


def versions(found: list[Live]) -> dict[str, str]:
    """The version of each function that is live."""
    return {one.function: one.version for one in found}


def forward(found: list[Live]) -> dict[str, str]:
    """The version of each function that the stack deployed last."""
    return {one.function: one.deployed for one in found}


def moves(account: Account, found: list[Live], target: dict[str, str]) -> list[str]:
    """A line for each alias that is not at its target, with what differs. Raises `Refused` if one cannot be moved."""
    lines = []
    for one in found:
        wanted = target.get(one.function, one.version)
        if one.is_shifting:
            raise Refused(f"Nothing was changed: CodeDeploy is shifting {one.function}: stop its deployment or wait.")
        if wanted != one.version:
            lines.append(f"  {one.function}: version {one.version} -> {wanted}{_changes(account, one, wanted)}")
    return lines


def move(account: Account, found: list[Live], target: dict[str, str]) -> None:
    """Moves every alias that is not at its target."""
    for one in found:
        wanted = target.get(one.function, one.version)
        if wanted != one.version:
            account.client("lambda").update_alias(FunctionName=one.function, Name=ALIAS, FunctionVersion=wanted)


def _changes(account: Account, live: Live, wanted: str) -> str:
    """What differs between the live version and another. Raises `Refused` unless the other one can run."""
    client = account.client("lambda")
    role = client.get_function_configuration(FunctionName=live.function)["Role"]
    now = client.get_function_configuration(FunctionName=live.function, Qualifier=live.version)
    try:
        then = client.get_function_configuration(FunctionName=live.function, Qualifier=wanted)
    except client.exceptions.ResourceNotFoundException as error:
        raise Refused(f"Nothing was changed: version {wanted} of {live.function} no longer exists: pass WHOLE=1.") from error
    if then["Role"] != role:
        raise Refused(f"Nothing was changed: version {wanted} of {live.function} has the role {then['Role']}, which the stack "
                      "has replaced: pass WHOLE=1.")
    old, new = (one.get("Environment", {}).get("Variables", {}) for one in (now, then))
    what = ["code"] if now["CodeSha256"] != then["CodeSha256"] else []
    what += [key for key in ("MemorySize", "Timeout") if now[key] != then[key]]
    what += sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return f" ({', '.join(what)})" if what else ""


def _qualified(arn: str) -> tuple[str, str, str]:
    """The function's name and the qualifier of a qualified ARN."""
    name, separator, qualifier = arn.partition(":function:")[2].partition(":")
    return name, separator, qualifier

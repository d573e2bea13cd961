"""An AWS account in one region, or a local engine that stands for it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError, ProfileNotFound

from deploy import Refused


@dataclass
class Account:
    """Clients, and who we are. Ask it for a client by the service's name."""

    session: boto3.Session
    region: str
    id: str
    caller: str
    endpoint: str | None = None
    # Seconds between two looks at a stack that changes.
    interval: int = 5
    # The bucket for packages and templates. Unless given, all stages of the account and region share one.
    bucket: str = ""
    # What an engine needs done with a template, given the values of its parameters. AWS needs nothing.
    prepared: Callable[[str, dict[str, str]], str] = lambda template, _: template
    _clients: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bucket = self.bucket or f"leadstream-packages-{self.id}-{self.region}"

    def client(self, service: str):
        if service not in self._clients:
            self._clients[service] = client(self.session, service, self.region, self.endpoint)
        return self._clients[service]


def sign_in(region: str | None, expected: str | None = None) -> Account:
    """The account of the credentials in the environment. Raises `Refused` unless it is the `expected` one."""
    try:
        session = boto3.Session()
    except ProfileNotFound as error:
        raise Refused(f"{error}: `aws configure list-profiles` lists those that exist.") from error
    # boto3 itself reads only AWS_DEFAULT_REGION and the profile.
    region = region or os.environ.get("AWS_REGION") or session.region_name
    if not region:
        raise Refused("No region: set `region` in the stage file, or AWS_REGION.")
    known = [one for partition in session.get_available_partitions()
             for one in session.get_available_regions("cloudformation", partition)]
    if region not in known:
        raise Refused(f"{region!r} is not a region that boto3 {boto3.__version__} knows: correct `region` or AWS_REGION.")
    account = identified(session, region)
    if expected and account.id != expected:
        raise Refused(
            f"The credentials belong to account {account.id} ({account.caller}), the stage to {expected}: "
            "select other credentials, for example with AWS_PROFILE."
        )
    return account


def identified(session: boto3.Session, region: str, endpoint: str | None = None, interval: int = 5) -> Account:
    """Asks AWS, or an engine at `endpoint`, whose the credentials are."""
    try:
        identity = client(session, "sts", region, endpoint).get_caller_identity()
    except NoCredentialsError as error:
        raise Refused("No AWS credentials: set AWS_PROFILE, or sign in with `aws login` or `aws sso login`.") from error
    except EndpointConnectionError as error:
        raise Refused(f"{error} Check the network and the region.") from error
    except (ClientError, BotoCoreError) as error:
        raise Refused(f"AWS did not accept the credentials: {error}. Sign in again.") from error
    return Account(session, region, identity["Account"], identity["Arn"], endpoint, interval)


def client(session: boto3.Session, service: str, region: str, endpoint: str | None):
    """A client of a service in a region, or at an engine's `endpoint`."""
    # An engine is on the loopback interface: never through a proxy, even if the environment configures one.
    local = {"proxies": {}} if endpoint else {}
    config = Config(retries={"mode": "standard", "max_attempts": 5}, s3={"addressing_style": "path"}, **local)
    return session.client(service, region_name=region, endpoint_url=endpoint, config=config)

"""What LocalStack lacks of SES, made of what it has: version 1 of the API, which publishes events."""

from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.connect import connect_to
from localstack.runtime import hooks
from localstack.services.cloudformation.resource_provider import (
    CloudFormationResourceProviderPlugin, OperationStatus, ProgressEvent, ResourceProvider,
)
from localstack.services.plugins import Service, aws_provider


class SesV2:
    """`SendEmail` of version 2, translated to version 1."""

    service, version = "sesv2", "2019-09-27"

    @handler("SendEmail", expand=False)
    def send_email(self, context: RequestContext, request):
        simple = request["Content"]["Simple"]
        configuration_set = request.get("ConfigurationSetName")
        try:
            sent = connect_to(aws_access_key_id=context.account_id, region_name=context.region).ses.send_email(
                Source=request["FromEmailAddress"],
                Destination=request["Destination"],
                ReplyToAddresses=request.get("ReplyToAddresses") or [],
                Message={"Subject": simple["Subject"], "Body": simple["Body"]},
                Tags=request.get("EmailTags") or [],
                **({"ConfigurationSetName": configuration_set} if configuration_set else {}),
            )
        except ClientError as error:
            # Otherwise LocalStack answers 500, which leaves it open whether SES took the e-mail.
            raise CommonServiceException(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
        return {"MessageId": sent["MessageId"]}


@aws_provider(api="sesv2")
def sesv2() -> Service:
    return Service.for_provider(SesV2())


def _done(model) -> ProgressEvent:
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model, custom_context={})


class ConfigurationSet(ResourceProvider):
    TYPE = "AWS::SES::ConfigurationSet"
    SCHEMA = {"typeName": TYPE, "primaryIdentifier": ["/properties/Name"], "properties": {"Name": {"type": "string"}}}

    def create(self, request):
        request.aws_client_factory.ses.create_configuration_set(
            ConfigurationSet={"Name": request.desired_state["Name"]})
        return _done(request.desired_state)

    def update(self, request):
        return _done(request.desired_state)

    def delete(self, request):
        request.aws_client_factory.ses.delete_configuration_set(ConfigurationSetName=request.desired_state["Name"])
        return _done({})


class EventDestination(ResourceProvider):
    TYPE = "AWS::SES::ConfigurationSetEventDestination"
    SCHEMA = {
        "typeName": TYPE, "primaryIdentifier": ["/properties/Id"], "readOnlyProperties": ["/properties/Id"],
        "properties": {"Id": {"type": "string"}},
    }

    def create(self, request):
        model = request.desired_state
        event = model["EventDestination"]
        request.aws_client_factory.ses.create_configuration_set_event_destination(
            ConfigurationSetName=model["ConfigurationSetName"],
            EventDestination={
                "Name": event["Name"], "Enabled": event["Enabled"], "SNSDestination": event["SnsDestination"],
                # Version 1 has no delays of a delivery.
                "MatchingEventTypes": [kind for kind in event["MatchingEventTypes"] if kind != "deliveryDelay"],
            },
        )
        model["Id"] = f"{model['ConfigurationSetName']}|{event['Name']}"
        return _done(model)

    def update(self, request):
        return _done(request.desired_state)

    def delete(self, request):
        configuration_set, _, name = request.desired_state["Id"].partition("|")
        request.aws_client_factory.ses.delete_configuration_set_event_destination(
            ConfigurationSetName=configuration_set, EventDestinationName=name)
        return _done({})


class ConfigurationSetPlugin(CloudFormationResourceProviderPlugin):
    name = ConfigurationSet.TYPE

    def load(self):
        self.factory = ConfigurationSet


class EventDestinationPlugin(CloudFormationResourceProviderPlugin):
    name = EventDestination.TYPE

    def load(self):
        self.factory = EventDestination


@hooks.on_infra_start()
def create_identities() -> None:
    """Completes LocalStack's provider of `AWS::SES::EmailIdentity`, all methods of which are stubs."""
    from localstack.services.ses.resource_providers.aws_ses_emailidentity import SESEmailIdentityProvider

    def create(self, request):
        identity = request.desired_state["EmailIdentity"]
        ses = request.aws_client_factory.ses
        if "@" in identity:
            ses.verify_email_identity(EmailAddress=identity)
        else:
            ses.verify_domain_identity(Domain=identity)
        for number in "123":
            request.desired_state[f"DkimDNSTokenName{number}"] = f"token{number}._domainkey.{identity}"
            request.desired_state[f"DkimDNSTokenValue{number}"] = f"token{number}.dkim.amazonses.com"
        return _done(request.desired_state)

    def delete(self, request):
        request.aws_client_factory.ses.delete_identity(Identity=request.desired_state["EmailIdentity"])
        return _done({})

    SESEmailIdentityProvider.create, SESEmailIdentityProvider.delete = create, delete
    SESEmailIdentityProvider.update = lambda self, request: _done(request.desired_state)

"""DynamoDB and its streams in LocalStack's place: a MiniStack. LocalStack's own is a Java program that PyPI lacks."""

import os

from localstack.aws.forwarder import AwsRequestProxy, HttpFallbackDispatcher
from localstack.services.dynamodb.v2.provider import DynamoDBProvider
from localstack.services.dynamodbstreams.v2.provider import DynamoDBStreamsProvider
from localstack.services.plugins import Service, aws_provider


class Beside:
    """Stands where LocalStack expects the server that it starts itself."""

    def __init__(self) -> None:
        self.url = os.environ["LEADSTREAM_DYNAMODB"]
        self.proxy = AwsRequestProxy(self.url)

    def start_dynamodb(self) -> bool:
        return True

    def stop_dynamodb(self) -> None:
        pass


class DynamoDB(DynamoDBProvider):
    _new_dynamodb_server = staticmethod(Beside)


class Streams(DynamoDBStreamsProvider):
    def __init__(self) -> None:
        self.server, self.shard_to_region = Beside(), {}

    def modify_stream_arn_for_ddb_local(self, stream_arn: str) -> str:
        # MiniStack uses the same names as AWS.
        return stream_arn


@aws_provider(api="dynamodb", name="beside")
def dynamodb() -> Service:
    return Service.for_provider(
        DynamoDB(), dispatch_table_factory=lambda it: HttpFallbackDispatcher(it, it.get_forward_url),
    )


@aws_provider(api="dynamodbstreams", name="beside")
def dynamodbstreams() -> Service:
    return Service.for_provider(Streams())

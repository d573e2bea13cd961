"""The inspection interface that every engine offers (see `engine.py`), and for `running.py`

    PUT /_local/front    changes where functions call AWS, to the URL in the body
"""

from localstack.runtime import hooks

from leadstream import functions


@hooks.on_infra_start()
def offer_inspection() -> None:
    from localstack.services.edge import ROUTER

    ROUTER.add("/_local/mails", mails)
    ROUTER.add("/_local/messages", messages)
    ROUTER.add("/_local/signers", lambda _request: functions.signers)
    ROUTER.add("/_local/front", functions.change_front, methods=["PUT"])


def mails(_request) -> list[dict]:
    from localstack.services.ses.provider import EMAILS

    return [
        {
            "to": mail["Destination"].get("ToAddresses", []), "subject": mail["Subject"],
            "text": mail["Body"]["text_part"], "html": mail["Body"]["html_part"],
        }
        for mail in list(EMAILS.values())
    ]


def messages(request) -> list[dict]:
    from localstack.services.sqs.developer_api import SqsDeveloperApi
    from localstack.services.sqs.models import sqs_stores
    from localstack.services.sqs.utils import parse_queue_url

    account, region, name = parse_queue_url(request.args["queue"])
    queue = sqs_stores[account][region].queues[name]
    with queue.mutex:
        found = SqsDeveloperApi()._collect_messages(queue, show_invisible=True, show_delayed=True)
    # Messages that a receiver holds come in no order.
    found.sort(key=lambda one: int(one["Attributes"].get("SequenceNumber") or one["Attributes"]["SentTimestamp"]))
    return [
        {
            "group": one["Attributes"].get("MessageGroupId"), "body": one["Body"],
            "attributes": {
                key: value.get("StringValue", "") for key, value in (one.get("MessageAttributes") or {}).items()
            },
        }
        for one in found
    ]

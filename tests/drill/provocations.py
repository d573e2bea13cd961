"""How each alarm of the template is provoked on LocalStack and ended again, or why it is not.

A fault is real, and is what the template's expression measures. Only the waiting is shortened (`run.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from stack import BAD_NAME, NOWHERE, Stack

# `localstack/services/sqs/provider.py` 4.14.0, `CloudwatchPublishWorker`: "ApproximateAgeOfOldestMessage is missing".
NO_AGE = "LocalStack publishes no age of a queue's oldest message"
NO_REPUTATION = "LocalStack publishes no metrics of SES"
NOT_PROVOKED = {
    "OfferEventsWaitAlarm": NO_AGE,
    "SalesTeamWaitsAlarm": NO_AGE,
    "BounceRateAlarm": NO_REPUTATION,
    "ComplaintRateAlarm": NO_REPUTATION,
    "ReactorLagAlarm": "LocalStack publishes no `IteratorAge`",
    "EmailsAbandonedAlarm": "an e-mail is doubtful for an hour before it is abandoned",
    "SweepsUnfinishedAlarm": "needs more due work than a sweep has time for, over hours",
}


@dataclass(frozen=True)
class Provocation:
    alarm: str
    # In words, for the report.
    how: str
    do: str
    provoke: Callable[[Stack], None]
    end: Callable[[Stack], None]
    # Whether it may be ended yet.
    is_over: Callable[[Stack], bool] = lambda _: True
    buyer: str = "drill"
    # In seconds, instead of a threshold of the template that is a time to wait.
    threshold: int | None = None


# A wave begins once every fault of the one before is ended.
WAVES: list[list[Provocation]] = [
    # Everything whose provocation needs all functions, and last the recorder's errors.
    [
        Provocation(
            "DeadLettersAlarm", "a message that is not JSON is posted",
            "`leads dead-letters drop --reason not-json --yes`",
            lambda stack: stack.post_body("drill-letter", "this is not JSON"),
            lambda stack: stack.run_by_hand("leads dead-letters drop --reason not-json --yes"),
            buyer="drill-letter",
        ),
        Provocation(
            "EmailReceiptsDeadLettersAlarm",
            "an SES event is put into the queue itself, because SQS does so after an hour",
            "its messages are sent to `EmailReceipts` again",
            lambda stack: stack.post_receipt("EmailReceiptsDeadLetters"), Stack.redrive_receipts,
        ),
        Provocation(
            "EmailsRejectedAlarm", "an offer of a buyer with an unusable address", "nothing: it ends by itself",
            lambda stack: stack.make_offer("drill-refused", email="ada at example.com"), lambda stack: None,
            buyer="drill-refused",
        ),
        Provocation(
            "HeldForLongAlarm", "version 4 of an offer is posted after version 1",
            "the commands themselves: `send` version 2, declare the rest `void`",
            lambda stack: stack.leave_gap("drill-gap"), lambda stack: None, buyer="drill-gap", threshold=5,
        ),
        Provocation(
            "BuyersBehindAlarm", "the sales team's queue refuses all messages of a buyer", "the queue takes them again",
            lambda stack: stack.refuse_sales_messages("drill-behind"), Stack.refuse_nothing,
            buyer="drill-behind",
        ),
        Provocation(
            "RecorderErrorsAlarm", "the recorder gets a table name that it refuses at its start",
            "the setting is given back",
            lambda stack: (
                stack.wait_recorded("drill-refused", "drill-gap", "drill-behind"),
                stack.change("recorder", STREAMS_TABLE=BAD_NAME), stack.make_offer("drill-recorder"),
            ),
            lambda stack: stack.give_back("recorder"), buyer="drill-recorder",
        ),
    ],
    # Everything that breaks the other functions.
    [
        Provocation(
            "SweeperErrorsAlarm", "the sweeper gets a table name that it refuses, and is called twice by hand",
            "the setting is given back",
            lambda stack: (
                stack.change("sweeper", LEADS_TABLE=BAD_NAME), stack.invoke("sweeper"), stack.invoke("sweeper"),
            ),
            lambda stack: stack.give_back("sweeper"),
        ),
        Provocation(
            "ReceiptsErrorsAlarm", "the receipts function gets a table name that it refuses, and an SES event",
            "the setting is given back",
            lambda stack: (stack.change("receipts", LEADS_TABLE=BAD_NAME), stack.post_receipt()),
            lambda stack: stack.give_back("receipts"),
        ),
        Provocation(
            "ReactorErrorsAlarm", "the reactor cannot reach DynamoDB",
            "the setting is given back, once `ReactorFailuresAlarm` rings too",
            lambda stack: (
                stack.change("reactor", AWS_ENDPOINT_URL_DYNAMODB=NOWHERE), stack.make_offer("drill-reactor"),
                stack.wait_recorded("drill-reactor"),
            ),
            lambda stack: stack.give_back("reactor"),
            is_over=lambda stack: stack.alarms()["ReactorFailuresAlarm"] == "ALARM", buyer="drill-reactor",
        ),
        Provocation(
            "ReactorFailuresAlarm", "the same, until Lambda gives up", "the queue `ReactorFailures` is emptied",
            lambda stack: None, Stack.empty_reactor_failures, buyer="drill-reactor",
        ),
        Provocation(
            "MessagesReturnedAlarm", "the recorder cannot reach DynamoDB", "the setting is given back",
            lambda stack: (
                stack.change("recorder", AWS_ENDPOINT_URL_DYNAMODB=NOWHERE), stack.make_offer("drill-returned"),
            ),
            lambda stack: stack.give_back("recorder"), buyer="drill-returned",
        ),
    ],
    # What must not meet another: `leads held` fails while an item is unreadable.
    [
        Provocation(
            "WorkUnreadableAlarm", "an item of open work that no version wrote",
            "the item is taken out of the index of open work",
            Stack.put_unreadable_work, Stack.close_unreadable_work,
        ),
    ],
    # While effects are paused, other alarms could not be seen to end.
    [
        Provocation(
            "PausedForLongAlarm", "sales messages are paused", "`leads resume --yes`",
            lambda stack: stack.run_by_hand("leads pause sales --because drill"),
            lambda stack: stack.run_by_hand("leads resume --yes"), threshold=5,
        ),
    ],
    # What needs a sweeper that is not called at all, and LocalStack calls a failing one again for three minutes.
    [
        Provocation(
            # LocalStack goes on calling the targets of a disabled rule: `DisableRule` leaves its scheduled job alone
            # (`localstack/services/events/provider.py` 4.14.0, `disable_rule`).
            "SweeperNotCalledAlarm", "the target of the rule `SweeperSchedule` is removed", "the target is put back",
            Stack.remove_schedule, Stack.restore_schedule,
        ),
    ],
]

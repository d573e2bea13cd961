"""A LocalStack that is already running, in Docker or not: asked what it has, never started or stopped.

What it may lack, and which tests need that, is in `NEEDS`. `docs/localstack.md` says how to start one that lacks little.
"""

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPException
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from deployment import client
from engine import REGION, EmulatorFailed, direct

OLDEST = (4, 9)
SERVICES = frozenset((
    "cloudformation", "cloudwatch", "dynamodb", "dynamodbstreams", "events", "iam", "lambda", "logs", "s3", "ses", "sns",
    "sqs", "sts",
))
HOW = "docs/localstack.md says how to start one"


class Need(Enum):
    """Something that a LocalStack may lack; the value is the reason why a test that needs it is skipped."""

    EMAIL = "it has no `SendEmail` of SES v2"
    RECEIPTS = "without our plugin SES publishes no events"
    BODIES = "without our plugin it rewrites the bodies of messages"
    MACHINE = "its functions cannot reach this machine, where the former system and the strict wire are"
    PROCESSES = "its functions run outside our process group, so tests cannot signal them"


EMAIL, RECEIPTS, BODIES, MACHINE, PROCESSES = Need
# The tests in `tests/local` that need more than every LocalStack has.
NEEDS = {
    "after::no_log_line_or_metric_of_the_run_contains_personal_data": {MACHINE},
    "after::the_strict_wire_decided_on_every_function_and_refused_no_request_of_the_run": {EMAIL, MACHINE},
    "alone::a_shadow_buyer_goes_live_by_name_without_an_event": {EMAIL, MACHINE},
    "alone::a_shadow_buyer_is_migrated_compared_reset_and_handed_over": {EMAIL, MACHINE},
    "alone::one_trace_leads_from_the_sender_to_the_e_mail": {EMAIL, MACHINE},
    "alone::while_the_former_system_is_down_its_buyers_wait_and_live_ones_go_on": {MACHINE},
    "effects::a_mail_that_ses_rejects_later_counts_in_the_metric_of_the_stack": {EMAIL},
    "effects::after_a_permanent_bounce_no_more_mail_goes_to_that_address": {EMAIL},
    "events::a_repeated_batch_is_counted_and_writes_nothing": {EMAIL},
    "events::every_kind_of_bad_message_is_dead_lettered_and_delays_no_other": {BODIES},
    "events::every_scenario_has_its_expected_outcome_after_each_delivery": {EMAIL},
    "events::many_buyers_with_late_repeated_and_bad_messages_keep_the_invariants": {EMAIL, BODIES},
    **{
        f"kills::{name}": {EMAIL, MACHINE, PROCESSES} for name in (
            "a_put_that_arrives_after_its_recorder_timed_out_changes_nothing",
            "a_recorder_that_is_frozen_for_a_moment_goes_on",
            "an_email_of_a_reactor_killed_after_ses_took_it_is_not_sent_again",
            "events_of_a_recorder_killed_after_its_put_are_duplicates_next_time",
            "sales_messages_of_a_killed_reactor_are_in_the_queue_once",
        )
    },
    "localstack::doorbells_that_lambda_gives_up_are_reported_and_the_sweeper_settles": {EMAIL},
    "localstack::events_of_ses_settle_an_email_whose_sender_crashed": {EMAIL, RECEIPTS},
    "localstack::ses_reports_that_it_took_and_delivered_each_email_of_the_reactor": {EMAIL, RECEIPTS},
}


@dataclass(frozen=True)
class Running:
    """A LocalStack at a port of this machine."""

    port: int
    version: str
    has_plugin: bool
    has_email: bool

    @classmethod
    def at(cls, url: str) -> "Running":
        """Asks the LocalStack at `url`. Raises `EmulatorFailed` if Leadstream cannot run there."""
        port = _port(url)
        where = f"at http://127.0.0.1:{port}"
        try:
            version = str(_get(port, "/_localstack/info")["version"])
            states = dict(_get(port, "/_localstack/health")["services"])
        except urllib.error.HTTPError as error:
            error.close()
            raise EmulatorFailed(f"what answers {where} is no LocalStack: {HOW}") from error
        except (OSError, HTTPException) as error:
            raise EmulatorFailed(f"no LocalStack answers {where}: {HOW}, or unset LOCALSTACK_ENDPOINT") from error
        except (ValueError, TypeError, KeyError) as error:
            raise EmulatorFailed(f"what answers {where} is no LocalStack: {HOW}") from error
        if _numbers(version) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise EmulatorFailed(f"the LocalStack {where} is version {version}, but needs to be {oldest} or later: {HOW}")
        if absent := sorted(name for name in SERVICES if states.get(name) in (None, "disabled", "error")):
            raise EmulatorFailed(f"the LocalStack {where} runs without {', '.join(absent)}: start it without SERVICES=")
        return cls(port, version, _has_plugin(port), _has_email(port))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __str__(self) -> str:
        return f"LocalStack {self.version} at {self.endpoint} {'with' if self.has_plugin else 'without'} our plugin"

    def route_functions_through(self, url: str) -> bool:
        """Lets functions call AWS at `url`, or if that is empty, at LocalStack itself. Returns whether they can."""
        if not self.has_plugin:
            return not url
        request = urllib.request.Request(f"{self.endpoint}/_local/front", data=url.encode(), method="PUT")
        try:
            with direct.open(request, timeout=10):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def lacks(self, reaches_machine: bool) -> set[Need]:
        absent = {PROCESSES} if self.has_plugin else {PROCESSES, RECEIPTS, BODIES}
        return absent | (set() if self.has_email else {EMAIL}) | (set() if reaches_machine else {MACHINE})


def skipped(lacks: set[Need]) -> dict[str, str]:
    """The tests that need what is lacking, each with the reason."""
    return {
        name: "; ".join(need.value for need in Need if need in needs & lacks)
        for name, needs in NEEDS.items() if needs & lacks
    }


def selector(tests: dict[str, str]) -> str:
    """These tests as a filterset of nextest (https://nexte.st/docs/filtersets/reference)."""
    return " + ".join(f"test(={name})" for name in tests) or "none()"


def _port(url: str) -> int:
    """Only this machine is meant: nothing else is to receive the template, and no proxy or AWS."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost") and parts.port and not parts.username:
            return parts.port
    except ValueError:
        pass
    raise EmulatorFailed("LOCALSTACK_ENDPOINT must be a port of this machine, such as http://127.0.0.1:4566")


def _get(port: int, path: str):
    with direct.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version such as 4.14.1.dev7 or 2026.3.0."""
    return tuple(int(number) for number in re.match(r"[0-9.]*", version)[0].split(".") if number)


def _has_plugin(port: int) -> bool:
    """Without the plugin this path belongs to S3, which knows no such bucket."""
    try:
        return isinstance(_get(port, "/_local/mails"), list)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except ValueError:
        return False


def _has_email(port: int) -> bool:
    """Whether `SendEmail` of SES v2 is there. An API that is not answers 501 (localstack/localstack#9453)."""
    try:
        # An address that no identity covers: nothing is sent.
        client("sesv2", f"http://127.0.0.1:{port}", REGION).send_email(
            FromEmailAddress="nobody@leadstream.invalid", Destination={"ToAddresses": ["nobody@leadstream.invalid"]},
            Content={"Simple": {"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}}},
        )
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] != 501
    return True

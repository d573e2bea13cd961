"""Each check, against what AWS may answer."""

import unittest

from stubs import REAL, StubbedAccount, deployed, stage

from deploy import preflight
from deploy.preflight import NOTE, OK, STOP, Plan

LIMITS = {"AccountLimit": {"UnreservedConcurrentExecutions": 10, "ConcurrentExecutions": 10}}
ACTIVE = {
    "TableName": "old", "TableStatus": "ACTIVE", "ItemCount": 7, "DeletionProtectionEnabled": True,
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    "KeySchema": [{"AttributeName": "buyer", "KeyType": "HASH"}, {"AttributeName": "sequence", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [{"IndexName": "feed"}],
}
RECOVERABLE = {"ContinuousBackupsDescription": {
    "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}}


class Checks(unittest.TestCase):
    def setUp(self):
        self.account = StubbedAccount()

    def found(self, check, stack=None, accepts_new_tables=False, **parameters: str) -> list[tuple[str, str]]:
        plan = Plan(self.account, stage(**parameters), REAL, stack, accepts_new_tables)
        findings = [(finding.level, finding.text) for finding in preflight._checked("it", lambda: check(plan))]
        self.account.assert_all_asked()
        return findings

    def one(self, level: str, text: str, check, *arguments, **parameters) -> None:
        """There is exactly one finding, of this level and with this text in it."""
        (finding,) = self.found(check, *arguments, **parameters)
        self.assertEqual(level, finding[0], finding)
        self.assertIn(text, finding[1])

    def test_what_credentials_may_not_ask_is_noted(self):
        self.account.fails("sesv2", "get_account", "AccessDeniedException")
        self.one(NOTE, "not checked: it: AccessDeniedException", preflight._sending)

    def test_the_state_of_the_stack(self):
        self.one(OK, "will be created", preflight._state)
        self.one(OK, "will be updated", preflight._state, deployed())
        self.one(OK, "will be updated", preflight._state, deployed("UPDATE_ROLLBACK_COMPLETE"))
        self.one(NOTE, "will be deleted first", preflight._state, deployed("ROLLBACK_COMPLETE"))
        self.one(STOP, "wait until", preflight._state, deployed("UPDATE_IN_PROGRESS"))
        self.one(STOP, "continue-update-rollback", preflight._state, deployed("UPDATE_ROLLBACK_FAILED"))
        for status in ("ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
            self.one(STOP, "make destroy", preflight._state, deployed(status))

    def test_parameters_that_do_not_fit_each_other(self):
        protected = {"DeletionProtection": "true"}
        self.assertEqual([], self.found(preflight._parameters, **protected))
        self.assertEqual([], self.found(preflight._parameters, EmailSender="a@mail.example.com", **protected))
        self.assertEqual([], self.found(
            preflight._parameters, EmailSender="Ada <ada@gmail.example>", EmailIdentity="ada@gmail.example", **protected))
        self.one(STOP, "does not belong to", preflight._parameters, EmailSender="a@badexample.com")
        self.one(STOP, "not a subdomain", preflight._parameters, MailFromDomain="mail.example.org")
        self.one(NOTE, "not protected", preflight._parameters, DeletionProtection="false")

    def test_a_parameter_without_default_is_missing_only_in_a_new_stack(self):
        plan = Plan(self.account, stage(), REAL, None)
        del plan.stage.parameters["SiteUrl"]
        (finding,) = preflight._parameters(plan)
        self.assertEqual(STOP, finding.level)
        self.assertIn("`SiteUrl` is missing in the stage file", finding.text)
        self.assertEqual([], list(preflight._parameters(Plan(self.account, plan.stage, REAL, deployed()))))
        (finding,) = preflight._parameters(Plan(self.account, plan.stage, REAL, deployed("ROLLBACK_COMPLETE")))
        self.assertEqual(STOP, finding.level)

    def test_the_architecture_stays_unless_the_stage_says_otherwise(self):
        self.one(OK, "architecture arm64", preflight._architecture)
        self.one(OK, "architecture x86_64", preflight._architecture, deployed(Architecture="x86_64"))
        self.one(NOTE, "from x86_64 to arm64", preflight._architecture, deployed(Architecture="x86_64"), Architecture="arm64")

    def identity(self, **identity) -> None:
        self.account.answers("sesv2", "get_email_identity", identity, {"EmailIdentity": "example.com"})

    def test_an_identity_is_created_once(self):
        create = {"CreateEmailIdentity": "true"}
        self.account.fails("sesv2", "get_email_identity", "NotFoundException")
        self.one(OK, "will be created", preflight._identity, **create)
        self.account.fails("sesv2", "get_email_identity", "NotFoundException")
        self.one(STOP, "set CreateEmailIdentity = true", preflight._identity)
        self.identity(VerifiedForSendingStatus=True)
        self.one(STOP, "set CreateEmailIdentity = false", preflight._identity, **create)
        self.identity(VerifiedForSendingStatus=True)
        self.one(OK, "is verified", preflight._identity, deployed(**create))
        self.identity(VerifiedForSendingStatus=True)
        self.one(OK, "is verified", preflight._identity)
        self.identity(VerifiedForSendingStatus=True)  # that of a failed creation is not ours
        self.one(STOP, "set CreateEmailIdentity = false", preflight._identity, deployed("ROLLBACK_COMPLETE", **create), **create)
        self.one(STOP, "is for domains", preflight._identity, EmailIdentity="a@b.example", **create)

    def test_an_unverified_identity_comes_with_its_records(self):
        self.identity(VerifiedForSendingStatus=False, DkimAttributes={"Tokens": ["abc"]})
        self.one(NOTE, "abc._domainkey.example.com. CNAME abc.dkim.amazonses.com.", preflight._identity)

    def test_the_sandbox_and_the_quota_of_ses(self):
        self.account.answers("sesv2", "get_account", {
            "SendingEnabled": False, "ProductionAccessEnabled": False, "SendQuota": {"MaxSendRate": 1, "Max24HourSend": 200}})
        notes = self.found(preflight._sending)
        self.assertEqual([NOTE] * 3, [level for level, _ in notes])
        for text, (_, note) in zip(("paused", "sandbox", "EmailsPerSecond is 10, SES allows 1"), notes):
            self.assertIn(text, note)
        self.account.answers("sesv2", "get_account", {
            "SendingEnabled": True, "ProductionAccessEnabled": True,
            "SendQuota": {"MaxSendRate": 14, "Max24HourSend": 50000}})
        self.one(OK, "14 e-mails a second, 50000 a day", preflight._sending)

    def test_the_concurrency_that_lambda_allows(self):
        self.account.answers("lambda", "get_account_settings", LIMITS)
        self.one(NOTE, "allows 10 concurrent invocations, the functions may use 66", preflight._concurrency)
        self.account.answers("lambda", "get_account_settings", {"AccountLimit": {"UnreservedConcurrentExecutions": 66}})
        self.one(OK, "allows 66", preflight._concurrency)

    def test_reserved_concurrency_leaves_the_rest_to_the_account(self):
        reserving = {"RecorderReservedConcurrency": "50", "ReactorReservedConcurrency": "20"}

        def found(unreserved: int, stack=None, **parameters: str) -> list[tuple[str, str]]:
            self.account.answers(
                "lambda", "get_account_settings", {"AccountLimit": {"UnreservedConcurrentExecutions": unreserved}})
            return self.found(preflight._concurrency, stack, **parameters)

        fits = (OK, "Lambda allows 100 concurrent invocations, the functions may use 6")
        self.assertEqual([fits], found(170, **reserving))
        self.assertEqual([fits], found(100, deployed(**reserving), **reserving), "is reserved already")
        ((level, text), _) = found(169, **reserving)
        self.assertEqual(NOTE, level)
        self.assertIn("99 of Lambda's concurrent invocations would remain unreserved", text)
        ((level, text), _) = found(900, ReceiptsReservedConcurrency="4")
        self.assertEqual((NOTE, "ReceiptsReservedConcurrency is 4, but the function may use 5: raise it"), (level, text))

    def tables(self, *names: str) -> None:
        self.account.answers("dynamodb", "list_tables", {"TableNames": list(names)})

    def test_tables_of_an_earlier_stack_are_found(self):
        self.tables("leadstream-StreamsTable-X", "leadstream-test-Other-X")
        self.assertEqual([], self.found(preflight._earlier_tables))
        mine = ("leadstream-test-LeadsTable-X", "leadstream-test-StreamsTable-X")
        self.tables(*mine)
        first, second = self.found(preflight._earlier_tables)
        self.assertEqual((STOP, STOP), (first[0], second[0]))
        self.assertIn('set ExistingStreamsTable = "leadstream-test-StreamsTable-X"', first[1])
        self.assertIn('set ExistingLeadsTable = "leadstream-test-LeadsTable-X"', second[1])
        self.tables(*mine)
        self.assertEqual([NOTE, NOTE], [level for level, _ in self.found(preflight._earlier_tables, None, True)])
        self.tables(*mine)
        self.assertEqual([], self.found(
            preflight._earlier_tables, ExistingStreamsTable="old-streams", ExistingLeadsTable="old-leads"))
        self.assertEqual([], self.found(preflight._earlier_tables, deployed()), "a deployed stack has its tables")

    def test_only_one_existing_table_is_refused(self):
        self.tables()
        self.one(STOP, "together", preflight._earlier_tables, ExistingLeadsTable="old")

    def existing(self, *arguments, backups=RECOVERABLE, **differences) -> list[tuple[str, str]]:
        self.account.answers("dynamodb", "describe_table", {"Table": ACTIVE | differences}, {"TableName": "old"})
        self.account.answers("dynamodb", "describe_continuous_backups", backups, {"TableName": "old"})
        return self.found(preflight._existing_tables, ExistingStreamsTable="old")

    def test_an_existing_table_is_what_the_code_needs(self):
        self.assertEqual([(OK, "ExistingStreamsTable old is taken up (7 items when last counted)")], self.existing())
        for level, text, found in (
            (STOP, "must be buyer and sequence", self.existing(KeySchema=ACTIVE["KeySchema"][:1])),
            (STOP, "lacks the index feed", self.existing(GlobalSecondaryIndexes=[])),
            (STOP, "wait until it is ACTIVE", self.existing(TableStatus="CREATING")),
            (STOP, "update-table --table-name old --stream-specification", self.existing(StreamSpecification={
                "StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})),
        ):
            self.assertEqual([level], [one for one, _ in found], found)
            self.assertIn(text, found[0][1])
        self.assertIn("--deletion-protection-enabled", self.existing(DeletionProtectionEnabled=False)[0][1])
        off = {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED"}}
        self.assertIn("update-continuous-backups", self.existing(backups=off)[0][1])

    def test_an_existing_table_that_does_not_exist(self):
        self.account.fails("dynamodb", "describe_table", "ResourceNotFoundException")
        self.one(STOP, "ExistingStreamsTable old does not exist in eu-central-1", preflight._existing_tables,
                 ExistingStreamsTable="old")

    def test_alarms_that_notify_no_one(self):
        topic = {"AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms"}
        self.one(NOTE, "alarms notify no one", preflight._alarms)
        self.account.answers("sns", "get_topic_attributes", {"Attributes": {"SubscriptionsConfirmed": "0"}})
        self.one(NOTE, "no confirmed subscription", preflight._alarms, **topic)
        self.account.answers("sns", "get_topic_attributes", {"Attributes": {"SubscriptionsConfirmed": "1"}})
        self.one(OK, "alarms notify", preflight._alarms, **topic)
        for code in ("NotFound", "InvalidParameter"):
            self.account.fails("sns", "get_topic_attributes", code)
            self.one(STOP, "does not exist in eu-central-1", preflight._alarms, **topic)


if __name__ == "__main__":
    unittest.main()

use std::collections::BTreeSet;

use crate::functions::{resources, statements};
use crate::{file, template};

/// An action of AWS and the resource that a command calls it on.
type Call = (&'static str, &'static str);

const READ_STREAM: Call = ("dynamodb:Query", "StreamsTable.Arn");
const SCAN_STREAMS: Call = ("dynamodb:Scan", "StreamsTable.Arn");
const FOLLOW: Call = ("dynamodb:Query", "${StreamsTable.Arn}/index/feed");
const APPEND: Call = ("dynamodb:PutItem", "StreamsTable.Arn");
const CLEAR: Call = ("dynamodb:UpdateItem", "StreamsTable.Arn");
const READ_BUYER: Call = ("dynamodb:Query", "LeadsTable.Arn");
const READ_CURSOR: Call = ("dynamodb:GetItem", "LeadsTable.Arn");
const SCAN_EMAILS: Call = ("dynamodb:Scan", "LeadsTable.Arn");
const CHANGE_LEADS: Call = ("dynamodb:UpdateItem", "LeadsTable.Arn");
const FENCE: Call = ("dynamodb:ConditionCheckItem", "LeadsTable.Arn");
const FIND_LEADS: Call = ("dynamodb:Query", "${LeadsTable.Arn}/index/open-leads");
const FIND_WORK: Call = ("dynamodb:Query", "${LeadsTable.Arn}/index/open-work");
const SEND: Call = ("sqs:SendMessage", "OfferEvents.Arn");
const REPEAT: Call = ("sqs:SendMessage", "SalesTeam.Arn");
const RECEIVE_LETTERS: Call = ("sqs:ReceiveMessage", "OfferEventsDeadLetters.Arn");
const RELEASE_LETTERS: Call = ("sqs:ChangeMessageVisibility", "OfferEventsDeadLetters.Arn");
const COUNT_LETTERS: Call = ("sqs:GetQueueAttributes", "OfferEventsDeadLetters.Arn");
const DELETE_LETTERS: Call = ("sqs:DeleteMessage", "OfferEventsDeadLetters.Arn");
/// Every command but `check` finds its places in the stack's outputs.
const FIND_STACK: Call = (
    "cloudformation:DescribeStacks",
    "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${AWS::StackName}/*",
);
const READ_ALARMS: Call = (
    "cloudwatch:DescribeAlarms",
    "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*",
);
const READ_METRICS: Call = ("cloudwatch:GetMetricData", "*");
const COUNT_EVENTS: Call = ("sqs:GetQueueAttributes", "OfferEvents.Arn");
const COUNT_FAILURES: Call = ("sqs:GetQueueAttributes", "ReactorFailures.Arn");
const COUNT_SALES: Call = ("sqs:GetQueueAttributes", "SalesTeam.Arn");
const COUNT_RECEIPTS: Call = ("sqs:GetQueueAttributes", "EmailReceipts.Arn");
const COUNT_RECEIPTS_ASIDE: Call = ("sqs:GetQueueAttributes", "EmailReceiptsDeadLetters.Arn");

/// What a command calls without changing anything, and in addition when it changes something.
struct Used {
    command: &'static str,
    reading: &'static [Call],
    changing: &'static [Call],
}

const COMMANDS: [Used; 25] = [
    Used { command: "Check", reading: &[], changing: &[] },
    Used { command: "Completions", reading: &[], changing: &[] },
    Used { command: "Man", reading: &[], changing: &[] },
    Used { command: "Send", reading: &[], changing: &[SEND] },
    Used {
        command: "Status",
        reading: &[
            FIND_STACK,
            READ_ALARMS,
            READ_METRICS,
            COUNT_EVENTS,
            COUNT_LETTERS,
            COUNT_FAILURES,
            COUNT_SALES,
            COUNT_RECEIPTS,
            COUNT_RECEIPTS_ASIDE,
            RECEIVE_LETTERS,
            RELEASE_LETTERS,
            FIND_WORK,
            READ_CURSOR,
        ],
        changing: &[],
    },
    // Everything that one of its pages reads; nothing changes.
    Used {
        command: "Console",
        reading: &[
            FIND_STACK,
            READ_ALARMS,
            READ_METRICS,
            COUNT_EVENTS,
            COUNT_LETTERS,
            COUNT_FAILURES,
            COUNT_SALES,
            COUNT_RECEIPTS,
            COUNT_RECEIPTS_ASIDE,
            RECEIVE_LETTERS,
            RELEASE_LETTERS,
            FIND_WORK,
            FIND_LEADS,
            READ_CURSOR,
            READ_STREAM,
            READ_BUYER,
        ],
        changing: &[],
    },
    Used { command: "Show", reading: &[READ_STREAM, READ_BUYER], changing: &[] },
    Used { command: "List", reading: &[FIND_LEADS], changing: &[] },
    Used { command: "Held", reading: &[FIND_WORK, READ_STREAM], changing: &[] },
    Used {
        command: "Emails",
        reading: &[FIND_WORK, SCAN_EMAILS, READ_BUYER],
        changing: &[READ_CURSOR, CHANGE_LEADS],
    },
    Used {
        command: "DeadLetters",
        reading: &[RECEIVE_LETTERS, RELEASE_LETTERS, COUNT_LETTERS],
        changing: &[SEND, DELETE_LETTERS],
    },
    Used { command: "Pause", reading: &[], changing: &[READ_CURSOR, CHANGE_LEADS] },
    Used { command: "Resume", reading: &[READ_CURSOR, FIND_WORK], changing: &[CHANGE_LEADS] },
    Used { command: "Audit", reading: &[SCAN_STREAMS, READ_STREAM, READ_CURSOR], changing: &[CHANGE_LEADS] },
    Used { command: "Void", reading: &[], changing: &[READ_STREAM, APPEND] },
    Used { command: "Reset", reading: &[SCAN_STREAMS, READ_STREAM], changing: &[APPEND] },
    Used { command: "GoLive", reading: &[SCAN_STREAMS, READ_STREAM], changing: &[APPEND] },
    Used {
        command: "Erase",
        reading: &[],
        changing: &[READ_STREAM, APPEND, CLEAR, READ_CURSOR, READ_BUYER, CHANGE_LEADS],
    },
    Used { command: "Replay", reading: &[READ_STREAM], changing: &[] },
    Used { command: "Parity", reading: &[SCAN_STREAMS, READ_STREAM], changing: &[] },
    Used { command: "Resync", reading: &[SCAN_STREAMS, READ_STREAM, READ_BUYER], changing: &[REPEAT] },
    Used { command: "Tail", reading: &[FOLLOW, READ_STREAM, READ_BUYER], changing: &[] },
    Used { command: "Export", reading: &[SCAN_STREAMS, READ_STREAM, READ_BUYER], changing: &[] },
    Used {
        command: "Import",
        reading: &[FIND_STACK, SCAN_STREAMS],
        changing: &[READ_STREAM, APPEND, READ_CURSOR, CHANGE_LEADS, FENCE],
    },
    Used { command: "History", reading: &[READ_STREAM, READ_BUYER], changing: &[] },
];

/// Every action that a role allows, with its resource.
fn granted(role: &str) -> BTreeSet<(String, String)> {
    let mut granted = BTreeSet::new();
    for statement in statements(role) {
        for action in statement.at("Action").texts() {
            granted.extend(resources(&statement).into_iter().map(|named| (action.clone(), named)));
        }
    }
    granted
}

fn owned(calls: impl Iterator<Item = Call>) -> BTreeSet<(String, String)> {
    calls.map(|(action, resource)| (action.to_owned(), resource.to_owned())).collect()
}

#[test]
fn the_read_only_role_is_granted_exactly_what_reading_commands_use() {
    let used = COMMANDS.iter().flat_map(|command| command.reading.iter().copied());
    assert_eq!(granted("ReadOnlyRole"), owned(used));
}

#[test]
fn the_operator_role_is_granted_exactly_what_all_commands_use() {
    let used = COMMANDS.iter().flat_map(|command| command.reading.iter().chain(command.changing).copied());
    assert_eq!(granted("OperatorRole"), owned(used));
}

#[test]
fn the_roles_cover_every_command_of_leads() {
    let code = file("cli/src/args/command.rs");
    let variants = code.split("pub(crate) enum Command {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let indented = variants.lines().filter_map(|line| line.strip_prefix("    "));
    let names: BTreeSet<&str> = indented
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(|line| line.split([' ', '(', ',']).next().unwrap())
        .collect();
    assert_eq!(names, COMMANDS.iter().map(|used| used.command).collect());
}

#[test]
fn both_roles_are_outputs() {
    for role in ["OperatorRole", "ReadOnlyRole"] {
        let output = template().at("Outputs").at(&format!("{role}Arn"));
        assert_eq!(output.at("Value").text(), format!("{role}.Arn"));
    }
}

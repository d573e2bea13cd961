use crate::{Place, file, properties};

type Key = Vec<(String, String)>;

/// The attribute names and types of a key: partition key, then sort key.
fn key(place: &Place) -> Key {
    let schema = place.at("KeySchema").list();
    schema.iter().map(|part| (part.at("AttributeName").text(), part.at("KeyType").text())).collect()
}

/// The key with these attribute names.
fn named(partition: &str, sort: &str) -> Key {
    vec![(partition.to_owned(), "HASH".to_owned()), (sort.to_owned(), "RANGE".to_owned())]
}

/// The name, key and projection of each index of a table.
fn indexes(table: &str) -> Vec<(String, Key, String)> {
    properties(table)
        .at("GlobalSecondaryIndexes")
        .list()
        .iter()
        .map(|index| {
            let projection = index.at("Projection").at("ProjectionType").text();
            (index.at("IndexName").text(), key(index), projection)
        })
        .collect()
}

#[test]
fn the_streams_table_has_the_keys_that_the_code_writes() {
    assert_eq!(key(&properties("StreamsTable")), named("buyer", "sequence"));
    let feed = ("feed".to_owned(), named("feed", "recordedAt"), "KEYS_ONLY".to_owned());
    assert_eq!(indexes("StreamsTable"), [feed]);
    let code = file("shared/event-store/src/dynamo/item.rs");
    for attribute in ["buyer", "sequence", "feed", "recordedAt"] {
        assert!(code.contains(&format!("\"{attribute}\"")), "{attribute}");
    }
}

#[test]
fn the_leads_table_has_the_keys_that_the_code_writes() {
    assert_eq!(key(&properties("LeadsTable")), named("buyer", "kind"));
    let all = "ALL".to_owned();
    assert_eq!(
        indexes("LeadsTable"),
        [
            ("open-leads".to_owned(), named("openLeads", "openedAt"), all.clone()),
            ("open-work".to_owned(), named("openWork", "due"), all),
        ]
    );
    let code =
        file("shared/leads-store/src/dynamo/cursor.rs") + &file("shared/leads-store/src/dynamo/claim.rs");
    for attribute in ["openLeads", "openedAt", "openWork", "due"] {
        assert!(code.contains(attribute), "{attribute}");
    }
}

#[test]
fn tables_are_on_demand_recoverable_encrypted_and_retained() {
    for table in ["StreamsTable", "LeadsTable"] {
        let resource = crate::template().at("Resources").at(table);
        assert_eq!(resource.at("DeletionPolicy").text(), "RetainExceptOnCreate");
        let table = resource.at("Properties");
        assert_eq!(table.at("BillingMode").text(), "PAY_PER_REQUEST");
        assert!(table.at("PointInTimeRecoverySpecification").at("PointInTimeRecoveryEnabled").is_true());
        assert!(table.at("SSESpecification").at("SSEEnabled").is_true());
        assert_eq!(table.at("DeletionProtectionEnabled").condition_of_if(), "ProtectsTables");
    }
}

#[test]
fn the_change_feed_contains_keys_only_and_the_leads_table_has_none() {
    let stream = properties("StreamsTable").at("StreamSpecification");
    assert_eq!(stream.at("StreamViewType").text(), "KEYS_ONLY");
    assert!(properties("LeadsTable").find("StreamSpecification").is_none());
}

impl Place {
    /// The name of the condition of an `!If`.
    fn condition_of_if(&self) -> String {
        self.list().first().map(Self::text).unwrap_or_default()
    }
}

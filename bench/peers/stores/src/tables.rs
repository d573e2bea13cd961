//! Creates tables with on-demand capacity. Streams and expiry are not enabled, because nothing here uses them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType};

use crate::{Failure, Source};

/// A table, or an index that projects only keys. The partition key is a string, the sort key a number.
#[derive(Clone, Copy)]
pub(crate) struct Keyed {
    pub(crate) name: &'static str,
    pub(crate) partition: &'static str,
    pub(crate) sort: Option<&'static str>,
}

/// Creates the table, with an index if it has one.
pub(crate) async fn create(client: &Client, table: Keyed, index: Option<Keyed>) -> Result<(), Failure> {
    requested(client, table, index).await.map_err(|source| Failure::Create { table: table.name, source })
}

async fn requested(client: &Client, table: Keyed, index: Option<Keyed>) -> Result<(), Source> {
    let mut request = client
        .create_table()
        .table_name(table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(table.schema()?));
    let mut texts = vec![table.partition];
    let mut numbers = Vec::from_iter(table.sort);
    if let Some(index) = index {
        texts.push(index.partition);
        numbers.extend(index.sort);
        let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        let described = GlobalSecondaryIndex::builder()
            .index_name(index.name)
            .set_key_schema(Some(index.schema()?))
            .projection(keys_only);
        request = request.global_secondary_indexes(described.build()?);
    }
    texts.dedup();
    for text in texts {
        request = request.attribute_definitions(attribute(text, ScalarAttributeType::S)?);
    }
    for number in numbers {
        request = request.attribute_definitions(attribute(number, ScalarAttributeType::N)?);
    }
    request.send().await?;
    Ok(())
}

impl Keyed {
    fn schema(&self) -> Result<Vec<KeySchemaElement>, Source> {
        let element = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let mut schema = vec![element(self.partition, KeyType::Hash)?];
        if let Some(sort) = self.sort {
            schema.push(element(sort, KeyType::Range)?);
        }
        Ok(schema)
    }
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, Source> {
    Ok(AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()?)
}

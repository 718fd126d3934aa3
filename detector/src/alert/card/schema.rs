//! The published JSON schema, `detector/schema/card-1.json`, against cards as they are made.

use serde_json::{Value, json};

use super::tests::{grown, lost};
use super::{Stamp, incident, notice, test};
use crate::alert::Level;

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(include_str!("../../../schema/card-1.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn cards() -> Vec<Value> {
    let stamp =
        Stamp { id: "01HF7YAT00QW5V9ZK8TD4M2C3R", host: "node-1", time: "2026-03-02T10:20:30.000000000Z" };
    let grown = grown();
    [
        incident(&grown, &[]),
        incident(&grown, &grown.alerts),
        incident(&lost(), &[]),
        notice(stamp, Level::Medium, "Alerts had to go", "12 alerts had to make room.", Vec::new()),
        test(stamp, "ops"),
    ]
    .iter()
    .map(|card| serde_json::to_value(card).unwrap())
    .collect()
}

#[test]
fn every_card_fits_the_published_schema() {
    let schema = schema();
    for card in cards() {
        let errors: Vec<String> = schema.iter_errors(&card).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {card:#}");
    }
}

#[test]
fn the_schema_refuses_what_is_no_card() {
    let schema = schema();
    let good = cards().swap_remove(0);
    for (key, value) in [
        ("schema", json!("detector.card/2")),
        ("about", json!("weather")),
        ("revision", json!(0)),
        ("level", json!("severe")),
        ("sections", json!([{"name": "x"}])),
        ("surprise", json!(1)),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert!(!schema.is_valid(&bad), "{key}");
    }
}

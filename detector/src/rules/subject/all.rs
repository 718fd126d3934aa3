//! Every field of a subject with its value: what is kept with an alert, so that it can be judged again.

use indexmap::IndexMap;
use rsigma_eval::Event as _;
use serde_json::Value;

use super::{Subject, View, What};
use crate::alert::escape::cut;
use crate::rules::field;

/// Most bytes of one field, and of one entry of a list.
const FIELD_MOST: usize = 8_192;

/// Most bytes of all fields.
const ALL_MOST: usize = 65_536;

/// Most entries of a list.
const LIST_MOST: usize = 256;

impl Subject<'_> {
    /// Every field that a rule could ask for, by Sigma name, with its value. What is too long is cut and says so;
    /// what no longer fits is left out.
    pub fn fields(&self) -> IndexMap<String, Value> {
        let view = View::of(self);
        let category = self.what.category();
        let offered = field::fields()
            .iter()
            .filter(|field| category.is_none_or(|category| field.categories.contains(&category)))
            .filter_map(|field| Some((field.name, view.get_field(field.name)?.to_json())));
        let observed = match self.what {
            What::Observation(observation) => observation.fields.as_slice(),
            What::Recognised(recognised) => recognised.fields.as_slice(),
            What::Event(_) => &[],
        };
        let own = observed
            .iter()
            .filter(|(name, _)| field::id(name).is_none())
            .map(|(name, value)| (*name, value.clone()));
        let mut out = IndexMap::new();
        let mut left = ALL_MOST;
        for (name, value) in offered.chain(own) {
            let bytes = (name.len() + 8).saturating_add(weight(&value).min(FIELD_MOST + 32));
            if value.is_null() || bytes > left {
                continue;
            }
            left -= bytes;
            out.insert(name.to_owned(), bounded(value));
        }
        out
    }
}

/// Bytes of a value, roughly.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(weight).sum(),
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + 4 + weight(value)).sum(),
    }
}

/// The value, not longer than [`FIELD_MOST`] bytes.
fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text_of(text, FIELD_MOST)),
        Value::Array(values) => {
            let (total, mut left) = (values.len(), FIELD_MOST);
            let mut kept: Vec<Value> = Vec::new();
            for value in values.into_iter().take(LIST_MOST) {
                let value = match value {
                    Value::String(text) => Value::String(text_of(text, left)),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                        value
                    }
                };
                kept.push(value);
                left = left.saturating_sub(kept.last().map_or(0, weight));
                if left == 0 {
                    break;
                }
            }
            if kept.len() < total {
                kept.push(Value::String(format!("…[cut, {total} entries in all]")));
            }
            Value::Array(kept)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value,
    }
}

fn text_of(text: String, most: usize) -> String {
    if text.len() <= most {
        text
    } else {
        format!("{}…[cut, {} bytes in all]", cut(&text, most), text.len())
    }
}

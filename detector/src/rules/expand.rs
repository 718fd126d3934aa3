//! Shared lists: `%name%` under the `expand` modifier stands for each value of `lists/name.txt`.

use hashbrown::HashMap;
use rsigma_parser::{Detection, DetectionItem, Detections, Modifier, SigmaString, SigmaValue};

/// Puts the values of `lists` in place of their names. Returns the names that have no list.
///
/// The modifier is taken off, so that the engine indexes the values as it does written ones.
pub(super) fn lists(detections: &mut Detections, lists: &HashMap<String, Vec<String>>) -> Vec<String> {
    let mut missing = Vec::new();
    for detection in detections.named.values_mut() {
        detection_lists(detection, lists, &mut missing);
    }
    missing
}

fn detection_lists(
    detection: &mut Detection,
    lists: &HashMap<String, Vec<String>>,
    missing: &mut Vec<String>,
) {
    match detection {
        Detection::AllOf(items) => {
            for item in items {
                item_lists(item, lists, missing);
            }
        }
        Detection::AnyOf(parts) | Detection::And(parts) => {
            for part in parts {
                detection_lists(part, lists, missing);
            }
        }
        Detection::ArrayMatch { body, .. } => detection_lists(body, lists, missing),
        Detection::Conditional { named, .. } => {
            for part in named.values_mut() {
                detection_lists(part, lists, missing);
            }
        }
        Detection::Keywords(_) => {}
    }
}

fn item_lists(item: &mut DetectionItem, lists: &HashMap<String, Vec<String>>, missing: &mut Vec<String>) {
    if !item.field.modifiers.contains(&Modifier::Expand) {
        return;
    }
    let is_regex = item.field.modifiers.contains(&Modifier::Re);
    let mut values = Vec::new();
    let mut complete = true;
    for value in &item.values {
        let name = match value {
            SigmaValue::String(text) => {
                text.original.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'))
            }
            SigmaValue::Integer(_) | SigmaValue::Float(_) | SigmaValue::Bool(_) | SigmaValue::Null => None,
        };
        match name.map(|name| (name, lists.get(name))) {
            Some((_, Some(list))) => values.extend(
                list.iter()
                    .map(|text| if is_regex { SigmaValue::from_raw_string(text) } else { typed(text) }),
            ),
            Some((name, None)) => {
                missing.push(name.to_owned());
                complete = false;
            }
            None => values.push(value.clone()),
        }
    }
    if complete {
        item.values = values;
        item.field.modifiers.retain(|modifier| *modifier != Modifier::Expand);
    }
}

fn typed(text: &str) -> SigmaValue {
    match text.parse() {
        Ok(number) => SigmaValue::Integer(number),
        Err(_) => SigmaValue::String(SigmaString::new(text)),
    }
}

//! Writes whole numbers as integers where a schema says integer.

use serde_json::{Number, Value};

use super::check::Part;
use super::wording::Path;
use super::{Additional, Schemas};

impl Schemas {
    pub(super) fn write_integers_of_body(&self, number: usize, value: &mut Value) {
        self.write_integers_of(number, value, Part::Whole);
    }

    /// Goes through schemas and value as a check does, and as deep.
    fn write_integers_of(&self, number: usize, value: &mut Value, part: Part) {
        let Some(node) = self.node(number) else { return };
        match value {
            Value::Number(number) if node.is_whole() => write_integer(number),
            Value::Array(items) => {
                for item in items {
                    let Some(schema) = node.items else { break };
                    self.write_integers_of(schema, item, Part::Whole);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let schema = match (node.properties.get(name), node.additional) {
                        (Some(&schema), _) | (None, Additional::Schema(schema)) => schema,
                        _ => continue,
                    };
                    self.write_integers_of(schema, member, Part::Whole);
                }
            }
            _ => {}
        }
        let part = node.part(part);
        for &other in &node.all {
            self.write_integers_of(other, value, part);
        }
        // The variant that is meant is the one that fits.
        let mut variants = node.union.iter().flatten();
        let meant =
            variants.find(|variant| self.check_value(**variant, value, &Path::Body, part).is_ok());
        if let Some(&variant) = meant {
            self.write_integers_of(variant, value, part);
        }
    }
}

fn write_integer(number: &mut Number) {
    let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
    // All of these are exact as floats; a check lets nothing larger in.
    let exact = whole.filter(|float| float.abs() <= 2_f64.powi(63));
    if let Some(integer) = exact.and_then(|float| Number::from_i128(float as i128)) {
        *number = integer;
    }
}

//! Checks values against nodes.
//!
//! Recursion follows the value, and a value that was read from JSON text is at most 128 deep, which
//! is serde_json's own limit. At one place of the value it follows schemas that hold beside each
//! other, and those have no circles.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::wording::{
    self, Path, counted, missing, none_of, out_of_bounds, several_of, unknown, wrong_type,
    wrong_value,
};
use super::{Additional, CLOSED_UNLESS_TOLD, Kind, Node, Schemas, Violation, reach};

/// Whether unlisted properties are looked for: not in the parts of a schema, of which each lists
/// only some of an object's properties.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    OneOfSeveral,
}

impl Node {
    /// What the schemas beside this one are, if this one is that.
    pub(super) fn part(&self, own: Part) -> Part {
        if self.is_composed() { Part::OneOfSeveral } else { own }
    }
}

impl Schemas {
    pub(super) fn check_body(&self, number: usize, value: &Value) -> Result<(), Violation> {
        self.check_value(number, value, &Path::Body, Part::Whole)
    }

    pub(super) fn check_value(
        &self,
        number: usize,
        value: &Value,
        path: &Path<'_>,
        part: Part,
    ) -> Result<(), Violation> {
        let Some(node) = self.node(number) else { return Ok(()) };
        if let Some(kinds) = &node.kinds
            && !Kind::of(value).is_among(kinds)
        {
            return Err(wrong_type(path, kinds, value));
        }
        if let Some(members) = &node.members
            && !members.contains(value)
        {
            let members: Vec<&Value> = members.iter().collect();
            return Err(wrong_value(path, &members, value));
        }
        match value {
            Value::String(text) => check_string(node, text, path)?,
            Value::Number(number) => {
                check_number(node, number.as_f64().unwrap_or(f64::NAN), &number.to_string(), path)?;
            }
            Value::Array(items) => self.check_array(node, items, path)?,
            Value::Object(members) => self.check_object(number, node, members, path, part)?,
            Value::Null | Value::Bool(_) => {}
        }
        let part = node.part(part);
        for &other in &node.all {
            self.check_value(other, value, path, part)?;
        }
        if let Some(variants) = &node.union {
            self.check_union(variants, value, path, part)?;
        }
        Ok(())
    }

    fn check_array(&self, node: &Node, items: &[Value], path: &Path<'_>) -> Result<(), Violation> {
        let count = items.len() as u64;
        let got = || count.to_string();
        if let Some(most) = node.most_items.filter(|most| count > *most) {
            let bound = format!("at most {}", counted(most, "item", "items"));
            return Err(out_of_bounds(path, "array_above_max_length", &bound, &got()));
        }
        if let Some(fewest) = node.fewest_items.filter(|fewest| count < *fewest) {
            let bound = format!("at least {}", counted(fewest, "item", "items"));
            return Err(out_of_bounds(path, "array_below_min_length", &bound, &got()));
        }
        let Some(schema) = node.items else { return Ok(()) };
        items.iter().enumerate().try_for_each(|(position, item)| {
            self.check_value(schema, item, &Path::Item(path, position), Part::Whole)
        })
    }

    fn check_object(
        &self,
        number: usize,
        node: &Node,
        members: &Map<String, Value>,
        path: &Path<'_>,
        part: Part,
    ) -> Result<(), Violation> {
        let count = members.len() as u64;
        if let Some(most) = node.most_properties.filter(|most| count > *most) {
            let bound = format!("at most {}", counted(most, "property", "properties"));
            return Err(out_of_bounds(
                path,
                "object_above_max_properties",
                &bound,
                &count.to_string(),
            ));
        }
        if let Some(name) = node.required.iter().find(|name| !members.contains_key(*name)) {
            return Err(missing(path, name));
        }
        let parts = self.parts(number);
        let closed = self.is_closed(node, &parts, part);
        for (name, value) in members {
            let length = name.chars().count() as u64;
            if let Some(longest) = node.longest_key.filter(|longest| length > *longest) {
                let bound =
                    format!("keys of at most {}", counted(longest, "character", "characters"));
                let got = format!("one of {length}");
                return Err(out_of_bounds(path, "string_above_max_length", &bound, &got));
            }
            let inner = Path::Member(path, name);
            match (node.properties.get(name), node.additional) {
                (Some(&schema), _) | (None, Additional::Schema(schema)) => {
                    self.check_value(schema, value, &inner, Part::Whole)?;
                }
                (None, Additional::None) => return Err(unknown(path, name)),
                (None, Additional::Untold) if closed && !self.is_listed(&parts, name) => {
                    return Err(unknown(path, name));
                }
                (None, Additional::Any | Additional::Untold) => {}
            }
        }
        let given = |group: &&Vec<String>| group.iter().all(|name| members.contains_key(name));
        match node.exclusive.iter().filter(given).count() {
            _ if node.exclusive.is_empty() => Ok(()),
            0 => Err(none_of(path, &node.exclusive)),
            1 => Ok(()),
            _ => Err(several_of(path, &node.exclusive)),
        }
    }

    /// Whether an object may have only listed properties although its schema does not say so.
    fn is_closed(&self, node: &Node, parts: &BTreeSet<usize>, part: Part) -> bool {
        let parts = || parts.iter().filter_map(|part| self.node(*part));
        CLOSED_UNLESS_TOLD
            && part == Part::Whole
            && if node.is_composed() {
                parts().any(|part| !part.properties.is_empty())
                    && !parts().any(|part| {
                        matches!(part.additional, Additional::Any | Additional::Schema(_))
                    })
            } else {
                !node.properties.is_empty()
            }
    }

    /// Whether one of the schemas lists a property.
    fn is_listed(&self, parts: &BTreeSet<usize>, name: &str) -> bool {
        let mut parts = parts.iter().filter_map(|part| self.node(*part));
        parts.any(|part| part.properties.contains_key(name))
    }

    /// A schema with all those that hold beside it.
    fn parts(&self, number: usize) -> BTreeSet<usize> {
        let mut parts = BTreeSet::new();
        reach(&self.nodes, number, &mut parts);
        parts
    }

    /// Finds the variant that is meant, by the value's kind and then by the field `type`, so that
    /// what is wrong can be told as if there were no other variants.
    fn check_union(
        &self,
        variants: &[usize],
        value: &Value,
        path: &Path<'_>,
        part: Part,
    ) -> Result<(), Violation> {
        let mut leaves = Vec::new();
        for &variant in variants {
            self.add_leaves(variant, &mut leaves);
        }
        let kind = Kind::of(value);
        let mut expected: Vec<Kind> = Vec::new();
        let mut candidates = Vec::new();
        for &leaf in &leaves {
            let kinds = self.kinds(leaf);
            if kinds.as_ref().is_none_or(|kinds| kind.is_among(kinds)) {
                candidates.push(leaf);
            }
            for kind in kinds.into_iter().flatten() {
                if !expected.contains(&kind) {
                    expected.push(kind);
                }
            }
        }
        let tags: Option<Vec<(&Value, usize)>> =
            candidates.iter().map(|leaf| Some((self.tag(*leaf)?, *leaf))).collect();
        match (&candidates[..], value, tags) {
            ([], ..) => Err(wrong_type(path, &expected, value)),
            ([only], ..) => self.check_value(*only, value, path, part),
            (_, Value::Object(members), Some(tags)) => {
                let Some(given) = members.get(TAG) else { return Err(missing(path, TAG)) };
                let at_tag = Path::Member(path, TAG);
                let Some((_, leaf)) = tags.iter().find(|(tag, _)| *tag == given) else {
                    if !given.is_string() {
                        return Err(wrong_type(&at_tag, &[Kind::String], given));
                    }
                    let supported: Vec<&Value> = tags.iter().map(|(tag, _)| *tag).collect();
                    return Err(wrong_value(&at_tag, &supported, given));
                };
                self.check_value(*leaf, value, path, part)
            }
            (several, ..) => self.check_any(several, value, path, part),
        }
    }

    /// Accepts what one of the schemas accepts.
    fn check_any(
        &self,
        schemas: &[usize],
        value: &Value,
        path: &Path<'_>,
        part: Part,
    ) -> Result<(), Violation> {
        let mut first = None;
        for &schema in schemas {
            match self.check_value(schema, value, path, part) {
                Ok(()) => return Ok(()),
                Err(violation) => first = first.or(Some(violation)),
            }
        }
        let members: Option<Vec<&Vec<Value>>> =
            schemas.iter().map(|schema| self.node(*schema)?.members.as_ref()).collect();
        match (members, first) {
            (Some(members), _) => {
                let members: Vec<&Value> = members.into_iter().flatten().collect();
                Err(wording::wrong_value(path, &members, value))
            }
            (None, Some(violation)) => Err(violation),
            (None, None) => Ok(()),
        }
    }

    /// The variants of a union, with those of the unions among them.
    fn add_leaves(&self, number: usize, leaves: &mut Vec<usize>) {
        let Some(node) = self.node(number) else { return };
        match &node.union {
            Some(variants)
                if node.kinds.is_none()
                    && node.members.is_none()
                    && node.properties.is_empty()
                    && node.required.is_empty()
                    && node.all.is_empty()
                    && node.exclusive.is_empty() =>
            {
                for &variant in variants {
                    self.add_leaves(variant, leaves);
                }
            }
            _ => leaves.push(number),
        }
    }

    /// The kinds of value that a schema lets in; nothing where it does not say.
    fn kinds(&self, number: usize) -> Option<Vec<Kind>> {
        let node = self.node(number)?;
        match (&node.kinds, &node.members) {
            (Some(kinds), _) => Some(kinds.clone()),
            (None, Some(members)) => Some(members.iter().map(Kind::of).collect()),
            (None, None) => node.all.iter().find_map(|part| self.kinds(*part)),
        }
    }

    /// The one value that a variant lets its field `type` have.
    fn tag(&self, number: usize) -> Option<&Value> {
        let node = self.node(number)?;
        let own =
            node.properties.get(TAG).and_then(|tag| match self.node(*tag)?.members.as_deref() {
                Some([only]) => Some(only),
                _ => None,
            });
        own.or_else(|| node.all.iter().find_map(|part| self.tag(*part)))
    }
}

/// The field that tells the variants of a union apart.
const TAG: &str = "type";

fn check_string(node: &Node, text: &str, path: &Path<'_>) -> Result<(), Violation> {
    if node.longest.is_none() && node.shortest.is_none() {
        return Ok(());
    }
    let length = text.chars().count() as u64;
    if let Some(longest) = node.longest.filter(|longest| length > *longest) {
        let bound = format!("at most {}", counted(longest, "character", "characters"));
        return Err(out_of_bounds(path, "string_above_max_length", &bound, &length.to_string()));
    }
    if let Some(shortest) = node.shortest.filter(|shortest| length < *shortest) {
        let bound = format!("at least {}", counted(shortest, "character", "characters"));
        return Err(out_of_bounds(path, "string_below_min_length", &bound, &length.to_string()));
    }
    Ok(())
}

fn check_number(node: &Node, number: f64, got: &str, path: &Path<'_>) -> Result<(), Violation> {
    let whole = node.is_whole();
    let (noun, above, below) = if whole {
        ("an integer", "integer_above_max_value", "integer_below_min_value")
    } else {
        ("a number", "number_above_max_value", "number_below_min_value")
    };
    // Nothing counts further than this: `format` is `int64`.
    let most = node.most.or(whole.then_some(i64::MAX as f64));
    if let Some(most) = most.filter(|most| number > *most) {
        return Err(out_of_bounds(path, above, &format!("{noun} of at most {most}"), got));
    }
    if let Some(least) = node.least.filter(|least| number < *least) {
        return Err(out_of_bounds(path, below, &format!("{noun} of at least {least}"), got));
    }
    Ok(())
}

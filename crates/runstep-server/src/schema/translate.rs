//! Translates the validator's errors into violations.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::document::is_integer;
use super::wording::{Path, Violation, types};

/// The field that discriminates the variants of a union of objects.
const TAG: &str = "type";

/// The singular and the plural of what a limit counts.
type Nouns = [&'static str; 2];

const CHARACTERS: Nouns = ["character", "characters"];
const ITEMS: Nouns = ["item", "items"];
const PROPERTIES: Nouns = ["property", "properties"];

type Errors<'a> = &'a [ValidationError<'a>];

/// Translates an error of the validator. The document is the one that the schema belongs to.
pub(super) fn violation(error: &ValidationError<'_>, document: &Value) -> Violation {
    let path = Path::new(error.instance_path());
    let value = error.instance().as_ref();
    let sized = |code, bound: &str, limit, nouns| {
        let bound = format!("{bound} {}", count(limit, nouns));
        path.out_of_bounds(code, &bound, &size(value).to_string())
    };
    match error.kind() {
        Kind::Type { kind } => path.wrong_type(&types(kind), value),
        Kind::Constant { expected_value } => path.unsupported(&[expected_value], value),
        Kind::Enum { options } => {
            path.unsupported(&options.as_array().into_iter().flatten().collect::<Vec<_>>(), value)
        }
        Kind::Required { property } => path.missing(property.as_str().unwrap_or_default()),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            path.unknown(unexpected.first().map_or("", String::as_str))
        }
        Kind::MaxLength { limit } => {
            sized("string_above_max_length", "at most", *limit, CHARACTERS)
        }
        Kind::MinLength { limit } => {
            sized("string_below_min_length", "at least", *limit, CHARACTERS)
        }
        Kind::MaxItems { limit } => sized("array_above_max_length", "at most", *limit, ITEMS),
        Kind::MinItems { limit } => sized("array_below_min_length", "at least", *limit, ITEMS),
        Kind::MaxProperties { limit } => {
            sized("object_above_max_properties", "at most", *limit, PROPERTIES)
        }
        kind @ (Kind::Maximum { limit } | Kind::Minimum { limit }) => {
            let is_maximum = matches!(kind, Kind::Maximum { .. });
            let (code, bound) = match (is_of_integer(error, document), is_maximum) {
                (true, true) => ("integer_above_max_value", "an integer of at most"),
                (true, false) => ("integer_below_min_value", "an integer of at least"),
                (false, true) => ("number_above_max_value", "a number of at most"),
                (false, false) => ("number_below_min_value", "a number of at least"),
            };
            path.out_of_bounds(code, &format!("{bound} {limit}"), &value.to_string())
        }
        Kind::PropertyNames { error } => match error.kind() {
            Kind::MaxLength { limit } => {
                let bound = format!("keys of at most {}", count(*limit, CHARACTERS));
                let actual = format!("one of {}", size(error.instance()));
                path.out_of_bounds("string_above_max_length", &bound, &actual)
            }
            _ => path.invalid(&error.masked().to_string()),
        },
        Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
            union_violation(error, context, document)
        }
        Kind::OneOfMultipleValid { .. } => {
            let message = format!(
                "Mutually exclusive parameters: exactly one of {} may be given.",
                path.alternatives(&required_groups(error, document))
            );
            path.violation("mutually_exclusive_parameters", message)
        }
        _ => path.invalid(&error.masked().to_string()),
    }
}

/// Describes an error of `oneOf` or `anyOf`, whose context has the errors of each variant. The
/// meant variant is found by the value's type and then by the field `type`.
fn union_violation(
    union: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    document: &Value,
) -> Violation {
    let path = Path::new(union.instance_path());
    let value = union.instance().as_ref();
    let is_own = |error: &&ValidationError<'_>| error.instance_path() == union.instance_path();
    let mut variants = Vec::new();
    flatten(union, context, &mut variants);

    if let Some(groups) =
        variants.iter().map(|errors| missing_group(errors)).collect::<Option<Vec<_>>>()
        && !groups.iter().any(|group| group.contains(&TAG.to_owned()))
    {
        return path.none_of(&groups);
    }
    let mut expected = Vec::new();
    let mut candidates: Vec<Errors<'_>> = Vec::new();
    for errors in variants {
        let wrong_type = errors.iter().filter(is_own).find_map(|error| match error.kind() {
            Kind::Type { kind } => Some(types(kind)),
            _ => None,
        });
        match wrong_type {
            Some(types) => expected.extend(types),
            None => candidates.push(errors),
        }
    }
    if candidates.is_empty() {
        return path.wrong_type(&expected, value);
    }
    if let [_, _, ..] = candidates[..] {
        let tag_errors: Vec<_> = candidates.iter().map(|errors| tag_error(union, errors)).collect();
        if tag_errors.iter().all(Option::is_some) {
            let supported: Vec<&Value> = tag_errors.into_iter().flatten().flatten().collect();
            let at_tag = path.member(TAG);
            return match value.get(TAG) {
                None => path.missing(TAG),
                Some(tag) if !tag.is_string() => at_tag.wrong_type(&[JsonType::String], tag),
                Some(tag) => at_tag.unsupported(&supported, tag),
            };
        }
        candidates.retain(|errors| tag_error(union, errors).is_none());
        let values: Option<Vec<&Value>> = candidates
            .iter()
            .map(|errors| errors.iter().filter(is_own).find_map(|error| supported_values(error)))
            .collect::<Option<Vec<_>>>()
            .map(|values| values.concat());
        if let Some(values) = values {
            return path.unsupported(&values, value);
        }
    }
    match candidates.first().and_then(|errors| errors.first()) {
        Some(error) => violation(error, document),
        None => path.unsupported(&[], value),
    }
}

/// Collects the errors of each variant, with the variants of nested unions in their place.
fn flatten<'a>(
    union: &ValidationError<'_>,
    context: &'a [Vec<ValidationError<'static>>],
    variants: &mut Vec<Errors<'a>>,
) {
    for errors in context {
        match errors.first().map(|error| (error, error.kind())) {
            Some((error, Kind::OneOfNotValid { context } | Kind::AnyOf { context }))
                if error.instance_path() == union.instance_path() =>
            {
                flatten(union, context, variants);
            }
            // Accepts an object without members, which is not one of the alternatives to choose.
            Some((_, Kind::MaxProperties { limit: 0 })) => {}
            _ => variants.push(errors),
        }
    }
}

/// Returns the supported values of a variant's tag if the tag is missing or has another value.
fn tag_error<'a>(union: &ValidationError<'_>, errors: Errors<'a>) -> Option<Vec<&'a Value>> {
    let depth = union.instance_path().segments().count();
    errors.iter().find_map(|error| match error.kind() {
        Kind::Required { property } if property == TAG => Some(Vec::new()),
        Kind::Constant { expected_value } => {
            let mut below = error.instance_path().segments().skip(depth);
            let is_tag =
                matches!(below.next(), Some(LocationSegment::Property(name)) if name == TAG);
            (is_tag && below.next().is_none()).then(|| vec![expected_value.as_ref()])
        }
        _ => None,
    })
}

fn supported_values<'a>(error: &'a ValidationError<'_>) -> Option<Vec<&'a Value>> {
    match error.kind() {
        Kind::Constant { expected_value } => Some(vec![expected_value.as_ref()]),
        Kind::Enum { options } => Some(options.as_array()?.iter().collect()),
        _ => None,
    }
}

/// Returns the missing properties of a variant that only lists required ones.
fn missing_group(errors: Errors<'_>) -> Option<Vec<String>> {
    let name = |error: &ValidationError<'_>| match error.kind() {
        Kind::Required { property } => property.as_str().map(str::to_owned),
        _ => None,
    };
    errors.iter().map(name).collect()
}

/// Returns the required properties of each variant of the union that an error is about.
fn required_groups(error: &ValidationError<'_>, document: &Value) -> Vec<Vec<String>> {
    let variants = document.pointer(error.schema_path().as_str()).and_then(Value::as_array);
    let group = |variant: &Value| {
        let names = variant.get("required").and_then(Value::as_array).into_iter().flatten();
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let groups = variants.into_iter().flatten().map(group);
    groups.filter(|group: &Vec<String>| !group.is_empty()).collect()
}

/// Returns whether the schema with the violated bound is one of integers.
fn is_of_integer(error: &ValidationError<'_>, document: &Value) -> bool {
    let keyword = error.schema_path().as_str();
    let schema = keyword.rsplit_once('/').and_then(|(schema, _)| document.pointer(schema));
    schema.and_then(Value::as_object).is_some_and(is_integer)
}

/// How many characters, items or properties a value has.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

fn count(number: u64, [one, several]: Nouns) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

//! Step 2, bring down: OpenAPI 3.1 to the 3.0 that the generator takes.
//!
//! Each function mends one thing. [`STEPS`] is the order; the order matters where a comment says so.

use serde_json::{Value, json};

use super::document::{Document, SchemaVisitor, referred};
use super::error::Error;

type Step = (&'static str, fn(Document) -> Result<Document, Error>);

/// The steps, in order, by name.
pub const STEPS: [Step; 10] = [
    ("constants become enums", constants_become_enums),
    ("null becomes nullable", null_becomes_nullable),
    ("single alternatives fold", single_alternatives_fold),
    ("references stand alone", references_stand_alone),
    ("limits are dropped", limits_are_dropped),
    ("integers get their width", integers_get_their_width),
    ("named maps are written in place", named_maps_are_written_in_place),
    ("optional lists and maps may be null", optional_lists_and_maps_may_be_null),
    ("only JSON replies are left", only_json_replies_are_left),
    ("newer keywords are dropped", newer_keywords_are_dropped),
];

/// Runs all steps.
pub fn lower(document: Document) -> Result<Document, Error> {
    STEPS.iter().try_fold(document, |document, (_, step)| step(document))
}

fn each_schema(mut document: Document, visit: &mut SchemaVisitor<'_>) -> Result<Document, Error> {
    document.visit_schemas(visit)?;
    Ok(document)
}

/// `const` is unknown to 3.0: an enum of one value says the same.
fn constants_become_enums(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |_, schema| {
        if let Some(map) = schema.as_object_mut()
            && let Some(value) = map.remove("const")
        {
            map.insert("enum".to_owned(), json!([value]));
        }
        Ok(())
    })
}

/// 3.1 says null by a type; 3.0 has `nullable` for it. Takes null out of type lists, of `enum` and
/// of alternatives. Runs after constants became enums, as `const: null` is one more way to say it.
fn null_becomes_nullable(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |pointer, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        let mut nullable = false;
        if let Some(Value::Array(types)) = map.get("type") {
            let kept: Vec<Value> = types.iter().filter(|kind| *kind != "null").cloned().collect();
            nullable |= kept.len() != types.len();
            match kept.as_slice() {
                [kind] => drop(map.insert("type".to_owned(), kind.clone())),
                [] => {
                    return Err(Error::at(
                        pointer,
                        "the type is only null",
                        "give the type of the values that are not null",
                    ));
                }
                several => {
                    let alternatives = several.iter().map(|kind| json!({ "type": kind })).collect();
                    map.remove("type");
                    map.insert("anyOf".to_owned(), Value::Array(alternatives));
                }
            }
        }
        if let Some(Value::Array(values)) = map.get_mut("enum") {
            let before = values.len();
            values.retain(|value| !value.is_null());
            nullable |= values.len() != before && !values.is_empty();
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(Value::Array(alternatives)) = map.get_mut(key) {
                let before = alternatives.len();
                alternatives.retain(|alternative| !is_null(alternative));
                nullable |= alternatives.len() != before;
            }
        }
        if nullable {
            map.insert("nullable".to_owned(), true.into());
        }
        Ok(())
    })
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
        || schema.get("enum").and_then(Value::as_array).is_some_and(Vec::is_empty)
}

/// An `anyOf` or `oneOf` of one is that one. A reference becomes an `allOf`, which is how 3.0 puts
/// `nullable` or a description beside it; anything else is taken up into its parent.
/// A named union of one object stays: more of its kind may come.
fn single_alternatives_fold(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |pointer, schema| {
        let named =
            pointer.rsplit_once('/').is_some_and(|(parent, _)| parent == "/components/schemas");
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        for key in ["oneOf", "anyOf"] {
            let Some([only]) = map.get(key).and_then(Value::as_array).map(Vec::as_slice) else {
                continue;
            };
            let only = only.clone();
            if only.get("$ref").is_some() {
                if !named {
                    map.remove(key);
                    map.insert("allOf".to_owned(), json!([only]));
                }
            } else if let Value::Object(inner) = only {
                map.remove(key);
                for (name, value) in inner {
                    map.entry(name).or_insert(value);
                }
            }
        }
        Ok(())
    })
}

/// 3.0 ignores what stands beside a `$ref`: the reference moves into an `allOf`.
fn references_stand_alone(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |_, schema| {
        if let Some(map) = schema.as_object_mut()
            && map.len() > 1
            && let Some(reference) = map.remove("$ref")
        {
            map.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
        }
        Ok(())
    })
}

/// Limits are for those who send; a reply beyond them must still decode, so types carry none.
/// Defaults go too: what a caller leaves out stays out of the request, for the server to fill in.
fn limits_are_dropped(document: Document) -> Result<Document, Error> {
    const LIMITS: [&str; 13] = [
        "maxLength",
        "minLength",
        "pattern",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxProperties",
        "minProperties",
        "multipleOf",
        "default",
    ];
    each_schema(document, &mut |_, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        for key in LIMITS {
            map.remove(key);
        }
        if map.get("additionalProperties") == Some(&Value::Bool(false)) {
            map.remove("additionalProperties");
        }
        // A union whose alternatives only say which properties must be there is a limit as well.
        if map.contains_key("properties") {
            for key in ["oneOf", "anyOf"] {
                let limits = map.get(key).and_then(Value::as_array).is_some_and(|alternatives| {
                    alternatives.iter().all(|alternative| {
                        alternative
                            .as_object()
                            .is_some_and(|inner| inner.keys().all(|key| key == "required"))
                    })
                });
                if limits {
                    map.remove(key);
                }
            }
        }
        if map.get("type").is_some_and(|kind| kind == "string") {
            map.remove("format");
        }
        Ok(())
    })
}

/// An integer that cannot be negative is a u64, any other an i64, whatever the document's format.
fn integers_get_their_width(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |_, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        let minimum = map.remove("minimum");
        if map.get("type").is_some_and(|kind| kind == "integer") {
            let counts =
                minimum.and_then(|minimum| minimum.as_f64()).is_some_and(|minimum| minimum >= 0.0);
            map.insert("format".to_owned(), if counts { "uint64" } else { "int64" }.into());
        }
        Ok(())
    })
}

/// A component that is only a map would become a wrapper type: its users get the map itself.
fn named_maps_are_written_in_place(mut document: Document) -> Result<Document, Error> {
    let maps: Vec<(String, Value)> = document
        .schemas()
        .filter(|(_, schema)| {
            schema.get("additionalProperties").is_some() && schema.get("properties").is_none()
        })
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    document.visit_schemas(&mut |_, schema| {
        let direct = referred(schema);
        let beside = schema.get("allOf").and_then(|all| all.get(0)).and_then(referred);
        let Some((_, map)) = maps.iter().find(|(name, _)| direct.or(beside) == Some(name.as_str()))
        else {
            return Ok(());
        };
        let own = schema.as_object().cloned().unwrap_or_default();
        schema.clone_from(map);
        if let Some(place) = schema.as_object_mut() {
            place.extend(own.into_iter().filter(|(key, _)| key != "$ref" && key != "allOf"));
        }
        Ok(())
    })?;
    if let Some(schemas) = document.schemas_mut() {
        schemas.retain(|name, _| !maps.iter().any(|(map, _)| map == name));
    }
    Ok(document)
}

/// The generator reads a list that is left out as an empty one, and leaves an empty one out. To the
/// API these are two things: a run with `tools: []` has none, one without `tools` has its
/// assistant's. What may be null becomes an `Option`, which tells them apart.
fn optional_lists_and_maps_may_be_null(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |_, schema| {
        let required = schema.get("required").cloned().unwrap_or_default();
        let required = |name: &str| {
            required.as_array().is_some_and(|names| names.iter().any(|one| one == name))
        };
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            let open =
                property.get("items").is_some() || property.get("additionalProperties").is_some();
            if let (true, false, Some(property)) = (open, required(name), property.as_object_mut())
            {
                property.insert("nullable".to_owned(), true.into());
            }
        }
        Ok(())
    })
}

/// The generator takes one success reply of one media type. Event streams are read by the facade,
/// and an error's body too, since a proxy or a provider may send anything in it.
fn only_json_replies_are_left(mut document: Document) -> Result<Document, Error> {
    let paths = document.0.get_mut("paths").and_then(Value::as_object_mut);
    for item in paths.into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut)
            else {
                continue;
            };
            responses.retain(|status, _| status.starts_with('2'));
            for response in responses.values_mut() {
                if let Some(content) = response.get_mut("content").and_then(Value::as_object_mut)
                    && content.contains_key("application/json")
                {
                    content.retain(|kind, _| kind == "application/json");
                }
            }
        }
    }
    Ok(document)
}

/// What 3.0 does not know and the generator has no use for.
fn newer_keywords_are_dropped(document: Document) -> Result<Document, Error> {
    let mut document = each_schema(document, &mut |_, schema| {
        if let Some(map) = schema.as_object_mut() {
            for key in
                ["examples", "propertyNames", "$comment", "contentEncoding", "contentMediaType"]
            {
                map.remove(key);
            }
        }
        Ok(())
    })?;
    if let Some(root) = document.0.as_object_mut() {
        root.insert("openapi".to_owned(), "3.0.3".into());
        root.remove("jsonSchemaDialect");
        root.remove("webhooks");
        if let Some(license) = root.get_mut("info").and_then(|info| info.get_mut("license"))
            && let Some(license) = license.as_object_mut()
        {
            license.remove("identifier");
        }
    }
    Ok(document)
}

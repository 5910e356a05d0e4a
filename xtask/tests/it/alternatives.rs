//! Unions, enums and recursion as vendors write them.

use serde_json::json;
use xtask::codegen::unions::Union;

use crate::reference;
use crate::small_documents::{build, with_schemas};

fn union_of(schemas: serde_json::Value) -> Union {
    let generated = build(&with_schemas(schemas).to_string()).unwrap();
    generated.unions.unions.into_iter().find(|union| union.name == "Thing").unwrap()
}

#[test]
fn unions_have_scalars_and_lists() {
    let union = union_of(json!({ "Thing": { "oneOf": [
        { "type": "string", "enum": ["auto"] }, { "type": "number" }, { "type": "integer" }, { "type": "boolean" },
        { "type": "array", "items": { "type": "string" } },
    ] } }));
    let pair = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    // An integer would also decode as a number.
    let scalars = [pair("Integer", "i64"), pair("Boolean", "bool"), pair("Number", "f64")];
    assert_eq!(union.scalars, scalars);
    assert_eq!(union.array, Some(pair("List", "String")));
    assert_eq!(union.constants, [pair("Auto", "auto")]);
}

#[test]
fn lists_of_several_kinds_have_any_items() {
    let lists = |items: [serde_json::Value; 2]| {
        let [one, other] = items.map(|items| json!({ "type": "array", "items": items }));
        union_of(json!({ "Thing": { "oneOf": [{ "type": "string" }, one, other] } }))
            .array
            .unwrap()
            .1
    };
    let (text, integer) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    assert_eq!(lists([text.clone(), integer]), "serde_json::Value");
    assert_eq!(lists([text.clone(), text]), "String");
}

#[test]
fn variants_have_different_names() {
    let object = |kind: &str| json!({ "type": "object", "required": ["type"], "properties": { "type": { "const": kind } } });
    let union = union_of(json!({
        "Thing": { "oneOf": [
            { "type": "string" }, { "type": "integer" }, { "type": "array", "items": {} },
            reference("A"), reference("B"), reference("C"),
        ] },
        "A": object("text"), "B": object("integer"), "C": object("list"),
    }));
    assert_eq!(union.text.as_deref(), Some("TextString"));
    assert_eq!(union.scalars[0].0, "IntegerScalar");
    assert_eq!(union.array.unwrap().0, "ListList");
}

#[test]
fn union_whose_list_is_in_the_same_union_keeps_its_type() {
    let object = |kind: &str| json!({ "type": "object", "required": ["type"], "properties": { "type": { "const": kind } } });
    let document = with_schemas(json!({
        "Thing": { "oneOf": [reference("Item"), reference("Items")] },
        "Items": { "type": "array", "items": reference("Item") },
        "Item": { "oneOf": [reference("A"), reference("B")] },
        "A": object("a"), "B": object("b"),
    }));
    let generated = build(&document.to_string()).unwrap();
    let names: Vec<&str> = generated.unions.unions.iter().map(|union| &*union.name).collect();
    assert_eq!(names, ["Thing", "Item"]);
}

#[test]
fn part_of_a_name_that_is_not_a_name_is_not_used() {
    let union = union_of(json!({
        "Thing": { "oneOf": [{ "type": "string" }, reference("Thing2")] },
        "Thing2": { "type": "object", "properties": { "id": { "type": "string" } } },
    }));
    assert_eq!(union.object.unwrap().0, "Thing2");
}

#[test]
fn repeated_values_of_an_enum_are_one_variant() {
    let document = with_schemas(json!({ "Thing": { "type": "object", "properties": {
        "kind": { "type": "string", "enum": ["a", "a", "self", "Self"] },
    } } }));
    let generated = build(&document.to_string()).unwrap();
    let names: Vec<&str> = generated.enums[0].values.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["A", "Self_", "SelfValue"]);
}

#[test]
fn property_that_is_only_null_has_any_value() {
    for only_null in
        [json!({ "type": "null" }), json!({ "const": null }), json!({ "enum": [null] })]
    {
        let thing = json!({ "type": "object", "properties": { "v": only_null } });
        let generated = build(&with_schemas(json!({ "Thing": thing })).to_string()).unwrap();
        assert!(
            generated.document.schema("Thing").unwrap()["properties"]["v"].get("type").is_none()
        );
    }
}

#[test]
fn recursive_reference_is_to_the_component_with_the_anchor() {
    let thing = |anchor: bool| {
        with_schemas(
            json!({ "Thing": { "$recursiveAnchor": anchor, "type": "object", "properties": {
            "inner": { "type": "array", "items": { "$recursiveRef": "#" } },
        } } }),
        )
        .to_string()
    };
    let generated = build(&thing(true)).unwrap();
    let (_, item) = generated.structs().next().unwrap();
    let inner = item.fields.iter().next().unwrap();
    assert_eq!(
        quote::quote!(#inner).to_string().split(": ").last().unwrap().trim(),
        "Option < Vec < Thing > >"
    );
    let error = build(&thing(false)).err().unwrap().to_string();
    assert!(error.contains("`$recursiveRef` is not supported"), "{error}");
}

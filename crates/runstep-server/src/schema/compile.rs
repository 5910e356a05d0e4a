//! Turns schemas into nodes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Additional, Kind, Node, SchemaError, Schemas, reach};

/// How deep schemas may be written within each other.
const DEPTH: usize = 64;

/// Keywords that describe and do not restrict.
const ANNOTATIONS: [&str; 12] = [
    "$comment",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "example",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
    "externalDocs",
];

pub(super) fn compile(openapi: &str) -> Result<Schemas, SchemaError> {
    let document: Value = serde_json::from_str(openapi)
        .map_err(|error| SchemaError(format!("the OpenAPI document is not JSON: {error}")))?;
    let schemas = document
        .pointer("/components/schemas")
        .and_then(Value::as_object)
        .ok_or_else(|| SchemaError("the OpenAPI document has no components/schemas".to_owned()))?;
    let mut compiler = Compiler { document: &document, nodes: Vec::new(), known: BTreeMap::new() };
    let mut components = BTreeMap::new();
    for name in schemas.keys() {
        let pointer =
            format!("#/components/schemas/{}", name.replace('~', "~0").replace('/', "~1"));
        components.insert(name.clone(), compiler.reference(&pointer, 0)?);
    }
    let nodes = compiler.nodes;
    reject_circles(&nodes, &components)?;
    Ok(Schemas { nodes, components })
}

struct Compiler<'d> {
    document: &'d Value,
    nodes: Vec<Node>,
    /// Numbers of the schemas that references lead to.
    known: BTreeMap<String, usize>,
}

impl Compiler<'_> {
    /// The number of the schema that a reference leads to.
    fn reference(&mut self, pointer: &str, depth: usize) -> Result<usize, SchemaError> {
        if let Some(&number) = self.known.get(pointer) {
            return Ok(number);
        }
        let target = pointer
            .strip_prefix('#')
            .and_then(|path| self.document.pointer(path))
            .ok_or_else(|| SchemaError(format!("nothing is at '{pointer}'")))?;
        let number = self.reserve();
        // Known before it is compiled, so that a schema may refer to itself.
        self.known.insert(pointer.to_owned(), number);
        let node = self.node(target, pointer, depth)?;
        self.place(number, node);
        Ok(number)
    }

    fn reserve(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    fn place(&mut self, number: usize, node: Node) {
        if let Some(place) = self.nodes.get_mut(number) {
            *place = node;
        }
    }

    /// The number of a schema that stands within another.
    fn schema(&mut self, schema: &Value, at: &str, depth: usize) -> Result<usize, SchemaError> {
        if depth > DEPTH {
            return Err(SchemaError(format!("the schema at '{at}' is nested too deep")));
        }
        let only_reference = schema.as_object().and_then(|schema| {
            let only = schema.keys().all(|keyword| keyword == "$ref" || is_annotation(keyword));
            schema.get("$ref")?.as_str().filter(|_| only)
        });
        if let Some(pointer) = only_reference {
            return self.reference(pointer, depth + 1);
        }
        let node = self.node(schema, at, depth)?;
        let number = self.reserve();
        self.place(number, node);
        Ok(number)
    }

    fn schemas(
        &mut self,
        list: &[Value],
        at: &str,
        depth: usize,
    ) -> Result<Vec<usize>, SchemaError> {
        list.iter().map(|schema| self.schema(schema, at, depth + 1)).collect()
    }

    fn node(&mut self, schema: &Value, at: &str, depth: usize) -> Result<Node, SchemaError> {
        let mut node = Node::default();
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(true) => return Ok(node),
            _ => return Err(SchemaError(format!("the schema at '{at}' is not an object"))),
        };
        for (keyword, value) in schema {
            let wrong =
                || SchemaError(format!("the keyword '{keyword}' at '{at}' is not understood"));
            let inner = format!("{at}/{keyword}");
            match keyword.as_str() {
                "type" => node.kinds = Some(kinds(value).ok_or_else(wrong)?),
                "const" => node.members = Some(vec![value.clone()]),
                "enum" => node.members = Some(value.as_array().ok_or_else(wrong)?.clone()),
                "properties" => {
                    for (name, schema) in value.as_object().ok_or_else(wrong)? {
                        let number = self.schema(schema, &format!("{inner}/{name}"), depth + 1)?;
                        node.properties.insert(name.clone(), number);
                    }
                }
                "required" => node.required = texts(value).ok_or_else(wrong)?,
                "additionalProperties" => {
                    node.additional = match value {
                        Value::Bool(true) => Additional::Any,
                        Value::Bool(false) => Additional::None,
                        schema => Additional::Schema(self.schema(schema, &inner, depth + 1)?),
                    };
                }
                "propertyNames" => node.longest_key = Some(longest_key(value).ok_or_else(wrong)?),
                "maxProperties" => node.most_properties = Some(value.as_u64().ok_or_else(wrong)?),
                "minLength" => node.shortest = Some(value.as_u64().ok_or_else(wrong)?),
                "maxLength" => node.longest = Some(value.as_u64().ok_or_else(wrong)?),
                "minItems" => node.fewest_items = Some(value.as_u64().ok_or_else(wrong)?),
                "maxItems" => node.most_items = Some(value.as_u64().ok_or_else(wrong)?),
                "minimum" => node.least = Some(value.as_f64().ok_or_else(wrong)?),
                "maximum" => node.most = Some(value.as_f64().ok_or_else(wrong)?),
                "items" => node.items = Some(self.schema(value, &inner, depth + 1)?),
                "$ref" => {
                    let pointer = value.as_str().ok_or_else(wrong)?;
                    node.all.push(self.reference(pointer, depth + 1)?);
                }
                "allOf" => {
                    let parts = value.as_array().ok_or_else(wrong)?;
                    node.all.extend(self.schemas(parts, &inner, depth)?);
                }
                "oneOf" | "anyOf" => {
                    let variants = value.as_array().ok_or_else(wrong)?;
                    match exclusive(variants) {
                        Some(groups) if keyword == "oneOf" => node.exclusive = groups,
                        _ if node.union.is_some() => return Err(wrong()),
                        _ => node.union = Some(self.schemas(variants, &inner, depth)?),
                    }
                }
                other if is_annotation(other) => {}
                _ => return Err(wrong()),
            }
        }
        Ok(node)
    }
}

fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

fn kinds(value: &Value) -> Option<Vec<Kind>> {
    match value {
        Value::Array(kinds) => kinds.iter().map(|kind| Kind::named(kind.as_str()?)).collect(),
        kind => Some(vec![Kind::named(kind.as_str()?)?]),
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// The only restriction of names that is understood.
fn longest_key(schema: &Value) -> Option<u64> {
    let schema: &Map<String, Value> = schema.as_object()?;
    let known =
        |keyword: &String| keyword == "maxLength" || keyword == "type" || is_annotation(keyword);
    schema.get("maxLength").filter(|_| schema.keys().all(known))?.as_u64()
}

/// The groups of properties, if the alternatives say nothing but what is required.
fn exclusive(variants: &[Value]) -> Option<Vec<Vec<String>>> {
    let group = |variant: &Value| {
        let variant = variant.as_object()?;
        let only = variant.keys().all(|keyword| keyword == "required" || is_annotation(keyword));
        texts(variant.get("required").filter(|_| only)?)
    };
    variants.iter().map(group).collect()
}

/// Refuses schemas that hold for a value only if they hold for it: checking would not end.
fn reject_circles(nodes: &[Node], components: &BTreeMap<String, usize>) -> Result<(), SchemaError> {
    for (number, node) in nodes.iter().enumerate() {
        let mut reached = BTreeSet::new();
        for beside in node.beside() {
            reach(nodes, beside, &mut reached);
        }
        if reached.contains(&number) {
            let name = components.iter().find(|(_, component)| **component == number);
            let name = name.map_or("a schema", |(name, _)| name);
            return Err(SchemaError(format!("{name} refers to itself without end")));
        }
    }
    Ok(())
}

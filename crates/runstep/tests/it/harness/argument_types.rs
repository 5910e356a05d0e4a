//! Argument types for functions: one for each feature of serde and schemars that affects a schema.

#![allow(dead_code)] // most types are used only for their schemas

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::Deserialize;

/// Current weather in a city
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GetWeather {
    /// City name, such as Paris
    pub(crate) city: String,
    #[serde(default)]
    pub(crate) unit: Unit,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    #[default]
    Celsius,
    Fahrenheit,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Scalars {
    flag: bool,
    small: u8,
    #[schemars(range(min = -5, max = 5))]
    signed: i32,
    #[schemars(extend("multipleOf" = 0.5))]
    real: f64,
    letter: char,
    /// A code
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    code: String,
    #[schemars(length(min = 1, max = 3))]
    few: Vec<bool>,
    unit: (),
}

/// Place
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
pub(crate) struct Place {
    latitude: f64,
    longitude: f64,
    #[serde(default = "default_height")]
    pub(crate) height: u32,
}

fn default_height() -> u32 {
    35
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nested {
    /// Starting point
    from: Place,
    to: Place,
    through: Vec<Place>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Options {
    text: Option<String>,
    number: Option<u16>,
    choice: Option<Unit>,
    place: Option<Place>,
    list: Option<Vec<Option<i64>>>,
    required: Option<bool>,
    #[serde(default)]
    tags: Vec<String>,
    tree: Option<Tree>,
}

/// Distance
#[derive(Deserialize, JsonSchema)]
pub(crate) enum Documented {
    /// Less than an hour
    Near,
    /// More than an hour
    Far,
    Unknown,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) enum External {
    Circle { radius: f64 },
    Label(String),
    Place(Place),
    Empty,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Internal {
    Circle {
        radius: f64,
        #[serde(default)]
        filled: bool,
    },
    Square {
        side: f64,
        filled: Option<bool>,
    },
    Place(Place),
    Empty,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "value")]
pub(crate) enum Adjacent {
    Number(i64),
    Place(Place),
    Empty,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Untagged {
    Text(String),
    Number(f64),
    Place(Place),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum UntaggedAny {
    Place(Place),
    Anything(serde_json::Value),
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Enums {
    documented: Documented,
    external: External,
    internal: Internal,
    adjacent: Adjacent,
    untagged: Untagged,
    maybe: Option<Internal>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Maps {
    labels: BTreeMap<String, String>,
    places: HashMap<String, Place>,
    numbered: BTreeMap<u8, bool>,
}

/// A tree
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Tree {
    name: String,
    /// Child nodes
    branches: Vec<Tree>,
    /// Parent node
    parent: Option<Box<Tree>>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Forest {
    trees: Vec<Tree>,
    /// The oldest tree
    oldest: Box<Tree>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Renamed {
    first_name: String,
    #[serde(rename = "family-name", alias = "surname")]
    last_name: String,
    #[serde(skip)]
    internal: u8,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Flattened {
    name: String,
    #[serde(flatten)]
    place: Place,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct FlattenedMap {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct FlattenedEnum {
    name: String,
    #[serde(flatten)]
    shape: Internal,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Tuples {
    pair: (u8, String),
    deep: Vec<Pairs>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Pairs {
    pair: [u8; 2],
    mixed: (u8, bool),
    any: serde_json::Value,
    wild: UntaggedAny,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct NoFields {}

/// A newtype of another type
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Newtype(GetWeather);

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Generic<T> {
    value: T,
}

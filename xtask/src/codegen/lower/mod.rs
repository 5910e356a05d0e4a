//! Step 3, bring down: OpenAPI 3.1 to the 3.0 that the generator takes, and what can be said in
//! several ways to the one that it takes well.
//!
//! Each function mends one thing. [`STEPS`] is their order.

mod bodies;
mod dialect;
mod limits;
mod shapes;

pub use shapes::OPEN;

use super::document::{Document, SchemaVisitor};
use super::error::Error;

/// Marks a property that may be null only so that an empty list differs from none.
pub const LISTED: &str = "x-empty-is-not-none";

/// A step: its name, and what it does.
pub type Step = (&'static str, fn(Document) -> Result<Document, Error>);

/// The steps, in order, by name.
pub const STEPS: [Step; 13] = [
    ("constants become enums", dialect::constants_become_enums),
    ("null becomes nullable", dialect::null_becomes_nullable),
    ("single alternatives fold", shapes::single_alternatives_fold),
    ("string choices become enums", shapes::string_choices_become_enums),
    ("references stand alone", dialect::references_stand_alone),
    ("compositions become one", shapes::compositions_become_one),
    ("null belongs to the place", dialect::null_belongs_to_the_place),
    ("limits are dropped", limits::limits_are_dropped),
    ("integers get their width", limits::integers_get_their_width),
    ("plain components are written in place", shapes::plain_components_are_written_in_place),
    ("optional lists and maps may be null", shapes::optional_lists_and_maps_may_be_null),
    ("only JSON bodies are left", bodies::only_json_bodies_are_left),
    ("newer keywords are dropped", dialect::newer_keywords_are_dropped),
];

/// Runs all steps.
pub fn lower(document: Document) -> Result<Document, Error> {
    STEPS.iter().try_fold(document, |document, (_, step)| step(document))
}

fn each_schema(mut document: Document, visit: &mut SchemaVisitor<'_>) -> Result<Document, Error> {
    document.visit_schemas(visit)?;
    Ok(document)
}

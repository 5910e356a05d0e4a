//! Step 4, bring down: OpenAPI 3.1 to the 3.0 that the generator takes, and what can be said in
//! several ways to the one that it takes well.
//!
//! Each function mends one thing. [`STEPS`] is their order.

mod bodies;
mod dialect;
mod in_place;
mod limits;
mod shapes;

pub(in crate::codegen) use bodies::JSON;
pub use limits::counts;
pub use shapes::OPEN;

use super::document::{Document, SchemaVisitor};
use super::error::Error;

/// Marks a property that may be null only so that an empty list differs from none.
pub const LISTED: &str = "x-empty-is-not-none";

/// The extension that keeps the limits of a schema.
pub const LIMITS: &str = "x-limits";

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it does, in words.
    pub name: &'static str,
    /// Does it.
    pub run: fn(Document) -> Result<Document, Error>,
    /// Whether a comparison runs it as well: it says the same in another way, and drops nothing of
    /// which a comparison tells, such as limits.
    pub for_diff: bool,
}

impl Step {
    const fn always(name: &'static str, run: fn(Document) -> Result<Document, Error>) -> Self {
        Self { name, run, for_diff: true }
    }

    const fn for_codegen(name: &'static str, run: fn(Document) -> Result<Document, Error>) -> Self {
        Self { name, run, for_diff: false }
    }
}

/// The steps, in order.
pub const STEPS: [Step; 13] = [
    Step::always("constants become enums", dialect::constants_become_enums),
    Step::always("null becomes nullable", dialect::null_becomes_nullable),
    Step::always("single alternatives fold", shapes::single_alternatives_fold),
    Step::always("string choices become enums", shapes::string_choices_become_enums),
    Step::always("references stand alone", dialect::references_stand_alone),
    Step::always("compositions become one", shapes::compositions_become_one),
    Step::always("null belongs to the place", dialect::null_belongs_to_the_place),
    Step::for_codegen("limits move to an extension", limits::limits_move_to_an_extension),
    Step::for_codegen("integers get their width", limits::integers_get_their_width),
    Step::always(
        "plain components are written in place",
        in_place::plain_components_are_written_in_place,
    ),
    Step::for_codegen(
        "optional lists and maps may be null",
        shapes::optional_lists_and_maps_may_be_null,
    ),
    Step::for_codegen("only JSON bodies are left", bodies::only_json_bodies_are_left),
    Step::for_codegen("newer keywords are dropped", dialect::newer_keywords_are_dropped),
];

/// Runs all steps.
pub fn lower(document: Document) -> Result<Document, Error> {
    STEPS.iter().try_fold(document, |document, step| (step.run)(document))
}

/// Runs the steps that say the same in another way, so that two documents can be compared.
pub fn lower_for_diff(document: Document) -> Result<Document, Error> {
    let steps = STEPS.iter().filter(|step| step.for_diff);
    steps.into_iter().try_fold(document, |document, step| (step.run)(document))
}

fn each_schema(mut document: Document, visit: &mut SchemaVisitor<'_>) -> Result<Document, Error> {
    document.visit_schemas(visit)?;
    Ok(document)
}

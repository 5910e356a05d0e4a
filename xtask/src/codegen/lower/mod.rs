//! Stage `lower`: rewrites OpenAPI 3.1 as 3.0, which progenitor supports, and every construct in the
//! one form that progenitor and typify handle well.
//!
//! Each function changes one thing. [`STEPS`] lists them in order.

mod bodies;
mod dialect;
mod inheritance;
mod inlining;
mod limits;
mod shapes;

pub(in crate::codegen) use bodies::JSON;
pub(in crate::codegen) use inheritance::variants_of;
pub use limits::is_unsigned;
pub use shapes::OPEN;

use serde_json::{Map, Value};

use super::document::{Document, SchemaVisitor};
use super::error::Error;

/// Marks a property that is nullable only so that an empty list differs from an absent one.
pub const EMPTY_IS_NOT_ABSENT: &str = "x-empty-is-not-absent";

/// The extension with the limits of a schema.
pub const LIMITS: &str = "x-limits";

/// A lowering step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What the step does.
    pub name: &'static str,
    /// The function.
    pub run: fn(Document) -> Result<Document, Error>,
    /// Whether `cargo xtask diff` runs the step, too. It runs the steps that only change the form of
    /// a document, and drop nothing that it compares, such as limits.
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
pub const STEPS: [Step; 14] = [
    Step::always("bases become unions", inheritance::bases_become_unions),
    Step::always("constants become enums", dialect::constants_become_enums),
    Step::always("null becomes nullable", dialect::null_becomes_nullable),
    Step::always("single alternatives fold", shapes::single_alternatives_fold),
    Step::always("string choices become enums", shapes::string_choices_become_enums),
    Step::always("references stand alone", dialect::references_stand_alone),
    Step::always("compositions are merged", shapes::compositions_are_merged),
    Step::always("null moves to references", dialect::null_moves_to_references),
    Step::for_codegen("limits move to an extension", limits::limits_move_to_an_extension),
    Step::for_codegen("integers get their width", limits::integers_get_their_width),
    Step::for_codegen("plain components are inlined", inlining::plain_components_are_inlined),
    Step::for_codegen(
        "optional lists and maps may be null",
        shapes::optional_lists_and_maps_may_be_null,
    ),
    Step::for_codegen("other bodies than JSON are dropped", bodies::other_bodies_are_dropped),
    Step::for_codegen("newer keywords are dropped", dialect::newer_keywords_are_dropped),
];

/// Runs all steps.
pub fn lower(document: Document) -> Result<Document, Error> {
    STEPS.iter().try_fold(document, |document, step| (step.run)(document))
}

/// Runs the steps that only change the form of a document, so that two can be compared.
pub fn lower_for_diff(document: Document) -> Result<Document, Error> {
    let steps = STEPS.iter().filter(|step| step.for_diff);
    steps.into_iter().try_fold(document, |document, step| (step.run)(document))
}

/// Changes the keywords of every schema, inner schemas first.
fn each_object(
    document: Document,
    change: impl Fn(&str, &mut Map<String, Value>),
) -> Result<Document, Error> {
    each_schema(document, &mut |pointer, schema| {
        schema.as_object_mut().into_iter().for_each(|map| change(pointer, map));
        Ok(())
    })
}

fn each_schema(mut document: Document, visit: &mut SchemaVisitor<'_>) -> Result<Document, Error> {
    document.visit_schemas(visit)?;
    Ok(document)
}

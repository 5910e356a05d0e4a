//! Arguments that identify objects.

use std::borrow::Cow;

use runstep_api::types::{Assistant, Message, Run, RunStep, Thread};

use crate::run_ref::RunRef;

/// The id of an object of type `T`: text, or the object itself.
///
/// ```no_run
/// # async fn example(client: runstep::Client) -> runstep::Result<()> {
/// let thread = client.threads().create().await?;
/// let runs = client.runs(&thread);
/// let run = runs.create("asst_abc123").await?;
/// let run = runs.poll(&run).await?; // the same as `runs.poll(&run.id)`
/// # Ok(())
/// # }
/// ```
///
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the id of an object of type `{T}`",
    label = "expected text, such as `&str` or `String`, or a `{T}`"
)]
pub trait IntoId<T> {
    #[doc(hidden)]
    fn into_id(self) -> Id;
}

/// The text of an id.
#[derive(Debug)]
pub struct Id(pub(crate) String);

impl From<Id> for String {
    fn from(Id(text): Id) -> Self {
        text
    }
}

/// Implements the conversions of types that contain text.
macro_rules! text_ids {
    ($($Text:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl<T> IntoId<T> for $Text {
            fn into_id(self) -> Id {
                Id(self.into())
            }
        }
    )+};
}

text_ids!(String, &str, &String, Box<str>, Cow<'_, str>);

/// Implements the conversions of objects that have an id.
macro_rules! object_ids {
    ($($Object:ty: $field:ident => $Type:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoId<$Type> for $Object {
            fn into_id(self) -> Id {
                Id(self.$field)
            }
        }

        #[diagnostic::do_not_recommend]
        impl IntoId<$Type> for &$Object {
            fn into_id(self) -> Id {
                Id(self.$field.clone())
            }
        }
    )+};
}

object_ids! {
    Assistant: id => Assistant,
    Message: id => Message,
    Run: id => Run,
    RunRef: run_id => Run,
    RunStep: id => RunStep,
    Thread: id => Thread
}

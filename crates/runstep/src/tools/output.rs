//! What functions give back, as the text that the model reads.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// What a function may give back.
///
/// Text is sent as it is. A [`Result`] may hold anything that is [`Serialize`], sent as JSON (text
/// as it is), and any error: see [`FailurePolicy`](crate::tools::FailurePolicy) for what becomes of
/// it. A function that cannot fail wraps its value in [`Json`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a tool",
    note = "give back text, `Json(value)`, or a `Result` of anything that is `Serialize` and an error"
)]
pub trait IntoOutput {
    /// The text for the model, or why there is none.
    ///
    /// # Errors
    ///
    /// The function's own error, or that its value cannot be written as JSON.
    fn into_output(self) -> Result<String, HandlerError>;
}

/// A value that is sent to the model as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

/// Why a function failed, as it said itself.
pub struct HandlerError(Box<dyn std::error::Error + Send + Sync>);

impl HandlerError {
    /// Keeps any error, or a text in its place.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    pub(super) fn into_source(self) -> Box<dyn std::error::Error + Send + Sync> {
        self.0
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<T, E> IntoOutput for Result<T, E>
where
    T: Serialize,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn into_output(self) -> Result<String, HandlerError> {
        self.map_err(HandlerError::new).and_then(|value| as_text(&value))
    }
}

impl<T: Serialize> IntoOutput for Json<T> {
    fn into_output(self) -> Result<String, HandlerError> {
        serde_json::to_string(&self.0).map_err(HandlerError::new)
    }
}

impl IntoOutput for Value {
    fn into_output(self) -> Result<String, HandlerError> {
        as_text(&self)
    }
}

/// Types that are text.
macro_rules! text {
    ($($Text:ty),+) => {
        $(
            impl IntoOutput for $Text {
                fn into_output(self) -> Result<String, HandlerError> {
                    Ok(self.into())
                }
            }
        )+
    };
}

text!(String, &'static str, Cow<'static, str>);

/// Nothing to tell is told as `null`.
impl IntoOutput for () {
    fn into_output(self) -> Result<String, HandlerError> {
        as_text(&self)
    }
}

/// JSON, or a text without its quotes.
fn as_text(value: &impl Serialize) -> Result<String, HandlerError> {
    let json = serde_json::to_string(value).map_err(HandlerError::new)?;
    if json.starts_with('"') {
        return serde_json::from_str(&json).map_err(HandlerError::new);
    }
    Ok(json)
}

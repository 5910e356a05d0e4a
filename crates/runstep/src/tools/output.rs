//! Converts the return values of functions to text for the model.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// A return type of functions.
///
/// Text is sent as it is. The value of a [`Result`] may be any [`Serialize`] type, which is sent as
/// JSON (strings as text); its error may be any error type. See
/// [`FailurePolicy`](crate::tools::FailurePolicy) for how errors are handled. Functions that cannot
/// fail wrap their value in [`Json`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a tool",
    note = "return text, `Json(value)`, or a `Result` of a `Serialize` type and an error"
)]
pub trait IntoOutput {
    /// Returns the text for the model.
    ///
    /// # Errors
    ///
    /// Returns the function's own error, or an error if its value cannot be serialized.
    fn into_output(self) -> Result<String, HandlerError>;
}

/// A value that is sent to the model as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

/// The error of a function.
pub struct HandlerError(Box<dyn std::error::Error + Send + Sync>);

impl HandlerError {
    /// Wraps an error, or a text.
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
        Ok(match self {
            Self::String(text) => text,
            value => value.to_string(),
        })
    }
}

/// Implements [`IntoOutput`] for text types.
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

/// Sends `null`.
impl IntoOutput for () {
    fn into_output(self) -> Result<String, HandlerError> {
        Ok("null".to_owned())
    }
}

/// Returns the text for the model if a call was denied.
pub(super) fn denied_output(reason: &str) -> String {
    format!("This call was denied: {reason}")
}

/// Serializes to JSON. A string is returned without its quotes.
fn as_text(value: &impl Serialize) -> Result<String, HandlerError> {
    let json = serde_json::to_string(value).map_err(HandlerError::new)?;
    if json.starts_with('"') {
        return serde_json::from_str(&json).map_err(HandlerError::new);
    }
    Ok(json)
}

//! What the table of operations consists of.

/// An operation of the API.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    /// The name of the subcommand.
    pub(crate) command: &'static str,
    /// The name in the official SDKs.
    pub(crate) sdk_name: &'static str,
    pub(crate) method: &'static str,
    /// The path, with parameters in braces.
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) body: Option<Body>,
    /// The schema of the response.
    pub(crate) response: Option<&'static str>,
    /// Whether the response can be a stream of events.
    pub(crate) streams: bool,
}

/// A parameter of the path or of the query.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) flag: &'static str,
    pub(crate) is_in_path: bool,
    pub(crate) is_required: bool,
    /// Whether the parameter can be repeated.
    pub(crate) is_list: bool,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

/// A request body of JSON.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) is_required: bool,
    /// The properties with a flag.
    pub(crate) properties: &'static [Property],
    /// The properties without one.
    pub(crate) other_properties: &'static [&'static str],
}

/// A property with a flag.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) flag: &'static str,
    pub(crate) is_required: bool,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

/// What the argument of a flag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, with the values that the specification lists. Providers may have others.
    Text(&'static [&'static str]),
    Integer,
    Number,
    Boolean,
    /// Pairs of keys and texts.
    Map,
}

impl Operation {
    /// Returns the names of all properties of the body.
    pub(crate) fn body_properties(&self) -> Vec<&'static str> {
        let body = self.body.iter();
        body.flat_map(|body| {
            let simple = body.properties.iter().map(|property| property.name);
            simple.chain(body.other_properties.iter().copied())
        })
        .collect()
    }
}

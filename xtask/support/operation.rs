//! The operations of the API as an enum.

/// Defines the enum of operations: operation ID, method, path, and name in the SDKs.
macro_rules! operations {
    ($($(#[$doc:meta])* $Name:ident = $id:literal $METHOD:ident $path:literal $sdk_name:literal,)*) => {
        /// An operation of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* $Name,)*
        }

        impl Operation {
            /// All operations, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$Name,)*];

            /// Returns the operation ID.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$Name => $id,)*
                }
            }

            /// Returns the HTTP method.
            pub fn method(self) -> http::Method {
                match self {
                    $(Self::$Name => http::Method::$METHOD,)*
                }
            }

            /// Returns the path template, with parameters in braces.
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$Name => $path,)*
                }
            }

            /// Returns the name in the official SDKs: the extension `x-sdk-name` of the
            /// specification, or else the operation ID.
            pub const fn sdk_name(self) -> &'static str {
                match self {
                    $(Self::$Name => $sdk_name,)*
                }
            }

            /// Returns the operation with a method and exactly this path template.
            pub fn from_route(method: &http::Method, path: &str) -> Option<Self> {
                match (method, path) {
                    $((&http::Method::$METHOD, $path) => Some(Self::$Name),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for Operation {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.id())
            }
        }
    };
}

pub(crate) use operations;

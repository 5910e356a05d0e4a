//! What all requests have in common: they are builders that are sent when they are awaited.

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;

/// The future of a request.
pub type ResponseFuture<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Makes a request awaitable.
macro_rules! awaitable {
    ($Request:ident -> $Output:ty) => {
        impl $crate::options::TakesOptions for $Request {
            fn options(&mut self) -> &mut $crate::options::RequestOptions {
                &mut self.options
            }
        }

        impl std::future::IntoFuture for $Request {
            type Output = $crate::error::Result<$Output>;
            type IntoFuture = $crate::request::ResponseFuture<$Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(async move { self.execute().await.map($crate::Response::into_value) })
            }
        }
    };
}

/// Methods that set one field of a request's body each.
macro_rules! body_setters {
    ($($(#[$attribute:meta])* $field:ident: $Type:ty,)+) => {
        $(
            $(#[$attribute])*
            pub fn $field(mut self, $field: impl Into<$Type>) -> Self {
                let value: $Type = $field.into();
                self.body = self.body.$field(value);
                self
            }
        )+
    };
}

/// The method that adds a pair to a body's metadata, which is new or in place of what is there.
macro_rules! metadata_setter {
    () => {
        $crate::request::metadata_setter! {
            /// Adds a pair of your own; at most 16, keys of up to 64 and values of up to 512
            /// characters.
        }
    };
    (in_place) => {
        $crate::request::metadata_setter! {
            /// Adds a pair of your own; at most 16, keys of up to 64 and values of up to 512
            /// characters.
            ///
            /// The pairs of the request take the place of all that are there: one that is to stay
            /// is given again. Without any the metadata stays as it is.
        }
    };
    ($(#[$attribute:meta])+) => {
        $(#[$attribute])+
        pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.body.metadata.get_or_insert_default().insert(key.into(), value.into());
            self
        }
    };
}

/// An example in the documentation of an operation: it runs against a server of its own.
macro_rules! example {
    ($code:literal) => {
        concat!(
            "```\n",
            "# #[tokio::main(flavor = \"current_thread\")]\n",
            "# async fn main() -> Result<(), Box<dyn std::error::Error>> {\n",
            "# use runstep::prelude::*;\n",
            "# use runstep_server::model::{Scripted, Turn};\n",
            "# let turns = [Turn::call(\"get_weather\", serde_json::json!({})), Turn::say(\"Sunny.\")];\n",
            "# let model = Scripted::new(turns);\n",
            "# let server = runstep_server::Server::builder().model(model).spawn().await?;\n",
            "# let client = runstep::Client::builder(server.base_url()).build()?;\n",
            "# let function = runstep::types::FunctionDefinition::new(\"get_weather\");\n",
            "# let tool = runstep::types::FunctionTool::new(function);\n",
            "# let assistant = client.assistants().create(\"scripted\").tool(tool).await?;\n",
            "# let thread = client.threads().create().user_message(\"How is it?\").await?;\n",
            "# let runs = client.runs(&thread.id);\n",
            $code,
            "\n# Ok(())\n# }\n```"
        )
    };
}

pub(crate) use {awaitable, body_setters, example, metadata_setter};

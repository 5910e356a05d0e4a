//! Macros that the request builders share.

/// Makes a request awaitable.
macro_rules! awaitable {
    ($Request:ident -> $Output:ty) => {
        impl $crate::transport::TakesOptions for $Request {
            fn options(&mut self) -> &mut $crate::transport::RequestOptions {
                &mut self.options
            }
        }

        impl std::future::IntoFuture for $Request {
            type Output = $crate::error::Result<$Output>;
            type IntoFuture = $crate::transport::ResponseFuture<$Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(async move { self.execute().await.map($crate::Response::into_inner) })
            }
        }
    };
}

/// Setters for headers and query parameters. `$scope` says which requests they apply to.
macro_rules! header_setters {
    ($($options:ident).+, $scope:literal) => {
        #[doc = concat!("Adds a header", $scope, ". Overrides a header of the client.")]
        pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.$($options).+.headers.push((name.into(), value.into()));
            self
        }

        #[doc = concat!("Adds a query parameter", $scope, ".")]
        pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.$($options).+.query.push((name.into(), value.into()));
            self
        }
    };
}

/// Setters for the options of a request.
macro_rules! request_setters {
    () => {
        $crate::resources::macros::header_setters!(options, "");

        /// Sets the timeout of one attempt, from connecting to the end of the response. Default: the
        /// client's.
        pub fn request_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.timeout = Some(timeout);
            self
        }

        /// Sets when the request is retried. Default: the client's policy.
        pub fn retry_policy(mut self, policy: $crate::transport::RetryPolicy) -> Self {
            self.options.retry = Some(policy);
            self
        }
    };
}

/// Setters for the options of a request, and `send`.
macro_rules! request_options {
    ($Output:ty) => {
        $crate::resources::macros::request_setters!();

        /// Sends the request and returns the value with the status and headers of the response.
        /// Awaiting the request returns the value alone.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub fn send(self) -> $crate::ResponseFuture<$crate::Response<$Output>> {
            Box::pin(async move { self.execute().await })
        }
    };
}

/// The setter for body fields that this version does not model.
macro_rules! extra_fields {
    () => {
        /// Sets a body field that this version does not model, or overrides one that it does.
        pub fn extra(
            mut self,
            name: impl Into<String>,
            value: impl Into<serde_json::Value>,
        ) -> Self {
            self.options.body.insert(name.into(), value.into());
            self
        }
    };
}

/// A documentation example that runs against its own server.
macro_rules! example {
    ($code:literal) => {
        concat!(
            "```\n",
            "# #[tokio::main(flavor = \"current_thread\")]\n",
            "# async fn main() -> Result<(), Box<dyn std::error::Error>> {\n",
            "# use runstep_server::model::{Scripted, Turn};\n",
            "# let turns = [Turn::call(\"get_weather\", serde_json::json!({})), Turn::text(\"Sunny.\")];\n",
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

pub(crate) use {
    awaitable, example, extra_fields, header_setters, request_options, request_setters,
};

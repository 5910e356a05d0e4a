//! The parts of request builders that are the same for every operation, with placeholders.

pub(super) const HEAD: &str = "//! Request builders: a struct for each operation, with setters for its optional parameters and\n\
    //! properties.\n\n\
    use std::future::IntoFuture;\n\n\
    use runstep_api::types::*;\n\
    use runstep_api::{ByteStream, Field, Operation};\n\n\
    use crate::arguments::{FieldType, IntoField, InvalidArgument, TextFieldType};\n\
    use crate::client::{\n\
        ApiRequest, Call, Client, CompletedCall, PreparedCall, SpanIds,\n\
    };\n\
    use crate::error::Result;\n\
    use crate::pagination::{\n\
        self, Items, Page, PageQuery, PagedRequest, Pages, check_entry, invalid_entries,\n\
    };\n\
    use crate::run_request::{Plain, RunRequest};\n\
    use crate::transport::{\n\
        RequestOptions, Response, ResponseFuture, RetryPolicy, checked_id, not_built,\n\
    };\n\n";

// The methods of builders are `#[inline]`, so that a program compiles and contains those that it calls.

/// Setters of every request builder.
pub(super) const OPTIONS: &str = r#"
    /// Adds a header. Overrides a header of the client.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.headers.push((name.into(), value.into()));
        self
    }
    /// Adds a query parameter.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.query.push((name.into(), value.into()));
        self
    }
    /// Sets the timeout of one attempt, from connecting to the end of the response. Default: the
    /// client's.
    #[inline]
    pub fn request_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }
    /// Sets when the request is retried. Default: the client's policy.
    #[inline]
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }
    #[allow(dead_code, reason = "the SDK itself does not send every request with other options")]
    pub(crate) fn with_options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }
"#;

/// How a request is sent whose response is one object.
pub(super) const SEND: &str = r#"
    /// Sends the request and returns the value with the status, headers and body of the response.
    /// Awaiting the request returns the value alone.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub fn send(self) -> ResponseFuture<Response<OUTPUT>> {
        self.into_call().read(CompletedCall::object)
    }
"#;

/// How a request for a list is sent, page by page or item by item.
pub(super) const SEND_LIST: &str = r#"
    /// Sets the number of items per page, 1 to 100. Default: 20.
    pub fn limit(mut self, limit: impl IntoField<u64>) -> Self {
        self.page.limit = self.options.field("limit", limit).into_option();
        self
    }
    /// Sets the order by creation time. Default: newest first.
    pub fn order(mut self, order: impl IntoField<Order>) -> Self {
        self.page.order = self.options.field("order", order).into_option();
        self
    }
    /// Starts after the item with this id, in the requested order.
    pub fn after(mut self, id: impl IntoField<String>) -> Self {
        self.page.after = self.options.field("after", id).into_option();
        self
    }
    /// Ends before the item with this id, in the requested order.
    pub fn before(mut self, id: impl IntoField<String>) -> Self {
        self.page.before = self.options.field("before", id).into_option();
        self
    }
    /// Fetches one page; the same as awaiting the request.
    pub fn page(self) -> ResponseFuture<OUTPUT> {
        self.into_future()
    }
    /// Sends the request and returns the page with the status, headers and body of the response.
    /// Awaiting the request returns the page alone.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub fn send(self) -> ResponseFuture<Response<OUTPUT>> {
        self.into_call().read(Self::read_page)
    }
    fn read_page(call: CompletedCall) -> Result<Response<OUTPUT>> {
        let response = call.object::<LIST>()?;
        let list = response.value();
        let (is_empty, is_partial) = (list.data.is_empty(), list.other().contains_key("data"));
        let head = response.head();
        let (invalid, last_id) =
            invalid_entries(head, is_empty, is_partial, check_entry::<ITEM>)?;
        Ok(response.map(|list| {
            let last = list.data.last().map(|item| item.id.clone());
            Page {
                last_id: list.last_id.or(last_id).or(last),
                data: list.data,
                invalid,
                first_id: list.first_id,
                has_more: list.has_more,
            }
        }))
    }
    /// Returns a stream of all pages, each fetched when it is read. A page has the cursor of the
    /// next one, which can be saved to resume there with [`after`](Self::after).
    #[inline]
    pub fn pages(self) -> Pages<ITEM> {
        pagination::pages(self)
    }
    /// Returns a stream of all items, which fetches pages as needed.
    #[inline]
    pub fn items(self) -> Items<ITEM> {
        pagination::items(self)
    }
    /// Returns a stream of the items that decode.
    #[allow(dead_code, reason = "not all lists are read by other requests")]
    pub(crate) fn readable_items(self) -> Items<ITEM> {
        pagination::readable_items(self)
    }
"#;

/// The trait of requests for lists.
pub(super) const PAGED: &str = r#"
    impl PagedRequest<ITEM> for NAME {
        #[inline]
        fn fetch(&self) -> ResponseFuture<OUTPUT> {
            self.clone().into_future()
        }
        #[inline]
        fn cursor(&self) -> Option<&str> {
            self.page.after.as_deref()
        }
        #[inline]
        fn set_cursor(&mut self, cursor: String) {
            self.page.after = Some(cursor);
        }
    }
"#;

/// Makes a request awaitable.
pub(super) const AWAITABLE: &str = r#"
    impl IntoFuture for NAME {
        type Output = Result<OUTPUT>;
        type IntoFuture = ResponseFuture<OUTPUT>;
        fn into_future(self) -> Self::IntoFuture {
            self.into_call().read(READ_VALUE)
        }
    }
"#;

/// How the page of a list is read without its status and headers.
pub(super) const READ_PAGE: &str = "|call| Self::read_page(call).map(Response::into_inner)";

/// How a request is sent whose response is read as a stream of events.
pub(super) const OPEN_STREAM: &str = r#"
    /// Sends the request and returns its response as a stream of events.
    pub(crate) fn open_stream(mut self) -> ResponseFuture<Response<ByteStream>> {
        self.options.accepts_events = true;
        self.into_call().open()
    }
"#;

/// The same for a request about a run, which has a property for it.
pub(super) const OPEN_RUN_STREAM: &str = r#"
    /// Sends the request and returns its response as a stream of events.
    pub(crate) fn open_stream(
        mut self: Box<Self>,
        client: Client,
        mut options: RequestOptions,
    ) -> ResponseFuture<Response<ByteStream>> {
        self.body.stream = true.into();
        options.accepts_events = true;
        Call::new(client, options, self).open()
    }
"#;

/// Adds the client and the options of a request to it.
pub(super) const INTO_CALL: &str = r#"
    fn into_call(mut self) -> Call {
        let options = std::mem::take(&mut self.options);
        Call::new(self.client.clone(), options, Box::new(self))
    }
"#;

/// The setter for body fields that this version does not model.
pub(super) const EXTRA: &str = r#"
    /// Sets a body field that this version does not model, or overrides one that it does.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.EXTRA_OPTIONS.body.push((name.into(), value.into().to_string()));
        self
    }
"#;

/// What stands for the placeholder in the code of a request that contains its options.
pub(super) const CONTEXT: [(&str, &str); 1] = [("EXTRA_OPTIONS", "options")];

/// The same for a request about a run, whose options are in a `RunRequest`.
pub(super) const RUN_CONTEXT: [(&str, &str); 1] = [("EXTRA_OPTIONS", "options.request")];

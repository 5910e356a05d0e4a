//! Reads of lists.

use super::State;
use super::rows::MessageRow;
use crate::store::context::{Context, ContextQuery, ContextReader};
use crate::store::memory::ordered::Ordered;
use crate::store::object::{Collection, Kind, Namespace, Object, RunKey};
use crate::store::page::{ObjectPage, PageQuery};
use crate::store::{Result, StoreError};

impl State {
    pub(super) fn context(&self, key: &RunKey, query: ContextQuery) -> Result<Context> {
        let thread = self.thread(key)?;
        let after = query.valid_mark(thread.revision);
        let start = after.map_or(0, |mark| mark.position + 1);
        let mut reader = ContextReader::new(query);
        for (position, row) in thread.messages.newest_from(start) {
            let is_own = row.run.as_ref() == Some(&key.run);
            if !is_own
                && !reader
                    .take(position, row.tokens, || Ok::<_, StoreError>(row.object.json.clone()))?
            {
                break;
            }
        }
        Ok(reader.finish(after, thread.revision))
    }

    pub(super) fn page(
        &self,
        namespace: &Namespace,
        collection: &Collection,
        run: Option<&str>,
        query: &PageQuery,
    ) -> Result<ObjectPage> {
        let tenant = self.tenants.get(namespace);
        let thread = |id: &str| {
            let found = tenant.and_then(|tenant| tenant.threads.get(id));
            found.ok_or_else(|| StoreError::missing(Kind::Thread, id))
        };
        let empty = Ordered::default();
        let page = match collection {
            Collection::Assistants => {
                let all = tenant.map_or(&empty, |tenant| &tenant.assistants);
                all.page(query, |_| true, Object::clone)
            }
            Collection::UpstreamObjects => {
                let all = tenant.map_or(&empty, |tenant| &tenant.upstream_objects);
                all.page(query, |_| true, Object::clone)
            }
            Collection::Messages { thread: id } => {
                let of_run = |row: &MessageRow| run.is_none() || row.run.as_deref() == run;
                thread(id)?.messages.page(query, of_run, |row| row.object.clone())
            }
            Collection::Runs { thread: id } => {
                thread(id)?.runs.page(query, |_| true, |row| row.object.clone())
            }
            Collection::Steps { thread: id, run } => {
                let run = thread(id)?.runs.get(run);
                let missing = || match collection {
                    Collection::Steps { run, .. } => StoreError::missing(Kind::Run, run),
                    _ => StoreError::missing(Kind::Run, ""),
                };
                run.ok_or_else(missing)?.steps.page(query, |_| true, Object::clone)
            }
            Collection::Threads => match tenant {
                Some(tenant) => tenant.threads.page(query, |_| true, |row| row.object.clone()),
                None => empty.page(query, |_| true, Object::clone),
            },
        };
        let page = page.map_err(StoreError::UnknownCursor)?;
        Ok(page.map_or(ObjectPage { objects: Vec::new(), has_more: false }, |(objects, range)| {
            range.page(objects, query.limit)
        }))
    }
}

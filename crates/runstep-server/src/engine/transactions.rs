//! Reads and transactions of a namespace.

use axum::body::Bytes;
use runstep_api::Decode;
use runstep_api::types::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Engine;
use super::error::Result;
use super::objects;
use crate::json_text::LongMembers;
use crate::model::{ConversationItem, item_tokens};
use crate::store::{Change, Collection, NewMessage, NewObject, Object, StoreError};

impl Engine {
    /// Reads an object.
    pub(super) async fn object(&self, collection: Collection, id: &str) -> Result<Object> {
        Ok(self.context.store.object(&self.namespace, collection, id).await?)
    }

    /// Reads an object as JSON.
    pub(super) async fn read(&self, collection: Collection, id: &str) -> Result<Bytes> {
        Ok(self.object(collection, id).await?.json)
    }

    /// Changes an object and the state `H` that it does not have, or `()` to keep that. `change` is called again if another
    /// request has changed the object meanwhile. Returns the changed object.
    pub(super) async fn change<T, H>(
        &self,
        collection: Collection,
        id: &str,
        change: impl Fn(&mut T, &mut H, &mut LongMembers),
    ) -> Result<Bytes>
    where
        T: Decode,
        H: Default + DeserializeOwned + Serialize,
    {
        loop {
            let stored = self.object(collection.clone(), id).await?;
            let has_hidden = size_of::<H>() > 0;
            let mut hidden =
                if has_hidden { objects::parse(&stored.hidden)? } else { H::default() };
            let (mut members, rest) = LongMembers::split(&stored.json);
            let mut object: T = objects::decode(&rest)?;
            change(&mut object, &mut hidden, &mut members);
            let _in_transit = self.quota().reserve(members.len())?;
            let json = members.join(objects::json_text(&object));
            let hidden = if has_hidden { objects::json(&hidden) } else { stored.hidden };
            let object = NewObject { id: id.to_owned(), json: json.clone(), hidden };
            let (collection, version) = (collection.clone(), stored.version);
            match self.commit(Change::Replace { collection, object, version }, &json, 0).await {
                Ok(_) => return Ok(json),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Creates a row of a message, of which this is the item for a model.
pub(super) fn new_message(message: &Message, item: &ConversationItem) -> NewMessage {
    let tokens = item_tokens(item);
    NewMessage { id: message.id.clone(), json: objects::object_json(message), tokens }
}

/// Creates a row of an object.
pub(super) fn new_object(id: &str, object: &impl Decode) -> NewObject {
    NewObject { id: id.to_owned(), json: objects::object_json(object), hidden: Bytes::new() }
}

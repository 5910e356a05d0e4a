//! Values of any type, into which another value can be read.
//!
//! What reads objects, lists and scalars handles types as trait objects, so that its code and that of
//! `serde_json` is compiled once, and not for each type.

#![allow(dead_code, reason = "a specification need not have values of every kind")]

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::json::Json;
use crate::mismatch::Mismatch;
use crate::object_reader::ObjectSlot;
use crate::union::Union;
use crate::wire::Wire;

/// A value is not as the specification says.
#[derive(Debug)]
pub struct Invalid;

/// A value that is not a list or an object.
#[derive(Clone, Copy)]
pub enum Scalar<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

/// Where the contents of a value are read.
pub enum Target<'a> {
    Scalar(&'a mut dyn ScalarSlot),
    Object(&'a mut dyn ObjectSlot),
    Union(&'a mut dyn Union),
    List(&'a mut dyn ListSlot),
    Map(&'a mut dyn MapSlot),
    Json(&'a mut Value),
    JsonObject(&'a mut Map<String, Value>),
}

/// An empty value. After an error, what it holds is not specified.
pub trait Slot {
    /// Reads a scalar that is as the specification says. After an error for null, the value is empty.
    fn read(&mut self, value: Scalar<'_>) -> Result<(), Invalid>;

    /// Returns where the contents of the value are read.
    fn target(&mut self) -> Target<'_>;

    /// Makes the value empty again.
    fn reset(&mut self);
}

impl<T: Wire> Slot for T {
    fn read(&mut self, value: Scalar<'_>) -> Result<(), Invalid> {
        Wire::read(self, value)
    }

    fn target(&mut self) -> Target<'_> {
        Wire::target(self)
    }

    fn reset(&mut self) {
        *self = T::empty();
    }
}

/// A scalar.
pub trait ScalarSlot {
    /// Decodes a value that differs from the specification:
    ///
    /// - A string that is another kind of value, other than an enum, is its JSON text.
    /// - A number may be a numeric string, and an integer may be written with a decimal point. A boolean
    ///   may be such a string, or 0 or 1.
    fn decode(&mut self, json: Json<'_>) -> Result<(), Mismatch>;
}

/// A list.
pub trait ListSlot {
    /// Adds an empty item.
    fn push(&mut self) -> &mut dyn Slot;

    /// Removes the last item.
    fn pop(&mut self);

    /// Returns the JSON text.
    fn to_json(&self) -> Vec<u8>;
}

impl<T: Wire> ListSlot for Vec<T> {
    #[allow(clippy::expect_used, reason = "the list has an item")]
    fn push(&mut self) -> &mut dyn Slot {
        self.push(T::empty());
        self.last_mut().expect("an item was added")
    }

    fn pop(&mut self) {
        Vec::pop(self);
    }

    fn to_json(&self) -> Vec<u8> {
        Wire::to_json(self)
    }
}

/// A map.
pub trait MapSlot {
    /// Sets a value, which the function reads into an empty one. If it returns `false`, the map has no
    /// value with this name.
    fn insert(&mut self, name: String, read: &mut dyn FnMut(&mut dyn Slot) -> bool);

    /// Returns the JSON text.
    fn to_json(&self) -> Vec<u8>;
}

impl<T: Wire> MapSlot for BTreeMap<String, T> {
    fn insert(&mut self, name: String, read: &mut dyn FnMut(&mut dyn Slot) -> bool) {
        let mut value = T::empty();
        match read(&mut value) {
            true => self.insert(name, value),
            false => self.remove(&name),
        };
    }

    fn to_json(&self) -> Vec<u8> {
        Wire::to_json(self)
    }
}

impl MapSlot for Map<String, Value> {
    fn insert(&mut self, name: String, read: &mut dyn FnMut(&mut dyn Slot) -> bool) {
        let mut value = Value::Null;
        match read(&mut value) {
            true => self.insert(name, value),
            false => self.remove(&name),
        };
    }

    fn to_json(&self) -> Vec<u8> {
        Wire::to_json(self)
    }
}

//! A model behind a `/responses` endpoint, whose provider executes the built-in tools.
//!
//! A request becomes a [`body`]. The [`decoder`] turns the [`event`]s of the response into model
//! events: [`items`] accumulates the output items, and [`cited_text`] replaces citations by markers.

mod body;
mod builder;
mod cited_text;
mod client;
mod decoder;
mod event;
mod items;

pub use client::Responses;

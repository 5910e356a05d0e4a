//! Streams of run events.

mod connections;
mod decoder;
mod delta_accumulation;
mod end_to_end;
mod event_lines;
mod fixtures;
mod follow_up_requests;
mod reference_decoder;

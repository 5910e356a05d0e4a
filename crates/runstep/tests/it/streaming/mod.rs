//! Streams of run events.

mod connections;
mod delta_accumulation;
mod end_to_end;
mod event_lines;
mod fixtures;
mod follow_up_requests;
mod following;
mod replays;
mod unexpected_responses;

//! Streams that are cut, without a network: what was recorded from the real server is played.

mod cuts;
mod ends;
mod ids_again;
mod kept;
mod mended;
mod recorded;
mod sought;
mod text_deltas;

//! A text with annotations. A citation becomes a marker in the text, as the Assistants API has it,
//! so the positions of what follows move.

use super::event::{Annotation, file_id};
use crate::model::ModelEvent;
use crate::model::upstream::EventQueue;
use crate::text::split_at_character;

/// The names of files that are images end so.
const IMAGE_EXTENSIONS: [&str; 5] = [".png", ".jpg", ".jpeg", ".gif", ".webp"];

/// A text of a message so far.
#[derive(Debug, Default)]
pub(super) struct CitedText {
    /// The length of the message's text before this one, with its markers. All lengths and positions
    /// are in characters.
    base: usize,
    /// How much of the text has arrived.
    received: usize,
    /// The markers, by the position before which they are, with their lengths.
    markers: Vec<(usize, usize)>,
    /// The annotations of text that has not arrived, by position.
    waiting: Vec<Placed>,
    /// The number of annotations that have arrived.
    annotations: usize,
    /// Images that the text does not mention. They follow it.
    images: Vec<String>,
}

/// An annotation, and the position up to which the text must have arrived.
#[derive(Debug)]
struct Placed {
    position: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Citation { file_id: String },
    Path { file_id: String, start: usize },
}

impl CitedText {
    pub(super) fn new(base: usize) -> Self {
        Self { base, ..Self::default() }
    }

    /// Returns the length with all markers, and with the text before this one.
    pub(super) fn end(&self) -> usize {
        let markers: usize = self.markers.iter().map(|(_, length)| length).sum();
        self.base + self.received + markers
    }

    /// Appends text. `item` is the index of the message in the output.
    pub(super) fn push(&mut self, mut text: &str, item: u64, events: &mut EventQueue) {
        let end = self.received + text.chars().count();
        while self.waiting.first().is_some_and(|next| next.position <= end) {
            let next = self.waiting.remove(0);
            let (before, after) =
                split_at_character(text, next.position.saturating_sub(self.received));
            self.emit_text(before, events);
            self.emit(next, item, events);
            text = after;
        }
        self.emit_text(text, events);
    }

    /// Appends what a complete text has beyond the text so far.
    pub(super) fn complete(&mut self, text: &str, item: u64, events: &mut EventQueue) {
        let (_, rest) = split_at_character(text, self.received);
        self.push(rest, item, events);
    }

    /// Adds the annotations of a complete text that have not arrived yet.
    pub(super) fn complete_annotations(
        &mut self,
        annotations: Vec<Annotation>,
        item: u64,
        events: &mut EventQueue,
    ) {
        for annotation in annotations.into_iter().skip(self.annotations) {
            self.annotate(annotation, item, events);
        }
    }

    /// Adds an annotation. A citation of text that clients have received already gets its marker at
    /// the end of the text.
    pub(super) fn annotate(&mut self, annotation: Annotation, item: u64, events: &mut EventQueue) {
        self.annotations += 1;
        let Some(placed) = self.placed(annotation) else { return };
        if placed.position <= self.received {
            return self.emit(placed, item, events);
        }
        let index = self.waiting.partition_point(|other| other.position <= placed.position);
        self.waiting.insert(index, placed);
    }

    /// Ends the text. Annotations of text that never arrived follow it.
    pub(super) fn finish(&mut self, item: u64, events: &mut EventQueue) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.emit(waiting, item, events);
        }
        for file_id in std::mem::take(&mut self.images) {
            events.push(ModelEvent::Image { file_id });
        }
    }

    /// Returns an annotation with its position, unless it has no counterpart in the Assistants API.
    fn placed(&mut self, annotation: Annotation) -> Option<Placed> {
        let id = file_id(annotation.container_id.as_deref(), annotation.file_id.as_deref()?);
        match annotation.kind.as_deref()? {
            "file_citation" => {
                let position = annotation.index.unwrap_or(self.received);
                Some(Placed { position, kind: Kind::Citation { file_id: id } })
            }
            "container_file_citation" | "file_path" => {
                let index = annotation.index.unwrap_or(0);
                let start = annotation.start_index.unwrap_or(index);
                let end = annotation.end_index.unwrap_or(index);
                let name = annotation.filename.unwrap_or_default().to_lowercase();
                if start >= end && IMAGE_EXTENSIONS.iter().any(|end| name.ends_with(end)) {
                    self.images.push(id);
                    return None;
                }
                Some(Placed {
                    position: end.max(start),
                    kind: Kind::Path { file_id: id, start: start.min(end) },
                })
            }
            _ => None,
        }
    }

    fn emit_text(&mut self, text: &str, events: &mut EventQueue) {
        if !text.is_empty() {
            self.received += text.chars().count();
            events.push(ModelEvent::Text(text.to_owned()));
        }
    }

    fn emit(&mut self, annotation: Placed, item: u64, events: &mut EventQueue) {
        match annotation.kind {
            Kind::Citation { file_id } => {
                let marker = format!("【{item}:{}†source】", self.markers.len());
                self.markers.push((self.received, marker.chars().count()));
                events.push(ModelEvent::FileCitation { file_id, marker });
            }
            Kind::Path { file_id, start } => {
                let end = annotation.position.min(self.received);
                let start = self.moved(start.min(end), |marker, position| marker <= position);
                let end = self.moved(end, |marker, position| marker < position);
                events.push(ModelEvent::FilePath { file_id, start, end: end.max(start) });
            }
        }
    }

    /// Returns a position with the markers before it.
    fn moved(&self, position: usize, is_before: impl Fn(usize, usize) -> bool) -> usize {
        let before = self.markers.iter().filter(|(marker, _)| is_before(*marker, position));
        self.base + position + before.map(|(_, length)| length).sum::<usize>()
    }
}

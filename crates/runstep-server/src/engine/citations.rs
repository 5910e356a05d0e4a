//! Accumulates the annotations and images of a message.

use runstep_api::types::{
    Annotation, AnnotationDelta, FileCitation, FileCitationAnnotation, FileCitationAnnotationDelta,
    FileCitationDelta, FilePath, FilePathAnnotation, FilePathAnnotationDelta, FilePathDelta,
    ImageFile, ImageFileContent, Message, MessageContent, MessageText, StreamEvent,
};

use super::deltas;
use super::objects;
use super::output::ModelOutput;
use super::run_writer::RunWriter;
use crate::store::json_length;

impl ModelOutput {
    /// Appends the marker of a citation, and its annotation.
    pub(super) fn cite(&mut self, writer: &mut RunWriter, file_id: String, marker: String) {
        let is_first = self.open(writer);
        let Some(open) = &mut self.open_message else { return };
        if !writer.is_in_progress() {
            return;
        }
        writer.charge.add(json_length(&marker) + json_length(&file_id));
        let Some(message) = writer.state.message_mut(&open.message_id) else { return };
        if !matches!(message.content.last(), Some(MessageContent::Text(_))) {
            message.content.push(objects::text_content(""));
            open.part_characters = 0;
        }
        let start = open.part_characters;
        open.part_characters += marker.chars().count();
        let (start, end) = (start as u64, open.part_characters as u64);
        let Some((content_index, text)) = last_text(message) else { return };
        text.value.push_str(&marker);
        let mut citation = FileCitationDelta::default();
        citation.file_id = Some(file_id.clone());
        let mut delta = FileCitationAnnotationDelta::new(text.annotations.len() as u64);
        delta.text = Some(marker.clone());
        delta.file_citation = Some(citation);
        (delta.start_index, delta.end_index) = (Some(start), Some(end));
        let citation = FileCitation::new(file_id);
        let annotation = FileCitationAnnotation::new(marker.clone(), citation, start, end);
        text.annotations.push(Annotation::FileCitation(annotation));
        let delta = AnnotationDelta::FileCitation(delta);
        let delta = deltas::annotated(content_index, marker, delta);
        let message_id = open.message_id.clone();
        writer.emit(StreamEvent::MessageDelta(deltas::message(message_id, delta, is_first)));
    }

    /// Adds the annotation of a range of the text that stands for a file.
    pub(super) fn annotate_path(
        &mut self,
        writer: &mut RunWriter,
        file_id: String,
        start: usize,
        end: usize,
    ) {
        let Some(open) = self.open_message.as_ref().filter(|_| writer.is_in_progress()) else {
            return;
        };
        let Some(message) = writer.state.message_mut(&open.message_id) else { return };
        let Some((content_index, text)) = last_text(message) else { return };
        let end = end.min(open.part_characters);
        let start = start.min(end);
        let path: String = text.value.chars().skip(start).take(end - start).collect();
        let (start, end) = (start as u64, end as u64);
        let mut file = FilePathDelta::default();
        file.file_id = Some(file_id.clone());
        let mut delta = FilePathAnnotationDelta::new(text.annotations.len() as u64);
        delta.text = Some(path.clone());
        delta.file_path = Some(file);
        (delta.start_index, delta.end_index) = (Some(start), Some(end));
        let added = json_length(&path) + json_length(&file_id);
        let annotation = FilePathAnnotation::new(path, FilePath::new(file_id), start, end);
        text.annotations.push(Annotation::FilePath(annotation));
        // Clients that print the value of each delta get an empty one.
        let delta = AnnotationDelta::FilePath(delta);
        let delta = deltas::annotated(content_index, String::new(), delta);
        let message_id = open.message_id.clone();
        writer.charge.add(added);
        writer.emit(StreamEvent::MessageDelta(deltas::message(message_id, delta, false)));
    }

    /// Adds an image as a content part.
    pub(super) fn add_image(&mut self, writer: &mut RunWriter, file_id: String) {
        let is_first = self.open(writer);
        let Some(open) = self.open_message.as_ref().filter(|_| writer.is_in_progress()) else {
            return;
        };
        let Some(message) = writer.state.message_mut(&open.message_id) else { return };
        let image = ImageFileContent::new(ImageFile::new(file_id.as_str()));
        message.content.push(MessageContent::ImageFile(image));
        let index = message.content.len() as u64 - 1;
        writer.charge.add(json_length(&file_id));
        let delta = deltas::image(index, file_id);
        let message_id = open.message_id.clone();
        writer.emit(StreamEvent::MessageDelta(deltas::message(message_id, delta, is_first)));
    }
}

/// Returns the last content part with its index, if it is text.
fn last_text(message: &mut Message) -> Option<(u64, &mut MessageText)> {
    let index = message.content.len().checked_sub(1)? as u64;
    match message.content.last_mut()? {
        MessageContent::Text(content) => Some((index, &mut content.text)),
        _ => None,
    }
}

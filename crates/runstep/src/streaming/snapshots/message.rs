//! Applies message deltas to messages, and computes deltas between two states of a message.

use runstep_api::types::{
    Annotation, AnnotationDelta, FileCitation, FileCitationAnnotation, FileCitationAnnotationDelta,
    FileCitationDelta, FilePath, FilePathAnnotation, FilePathAnnotationDelta, FilePathDelta,
    ImageFile, ImageFileContent, ImageFileContentDelta, ImageFileDelta, ImageUrl, ImageUrlContent,
    ImageUrlContentDelta, ImageUrlDelta, Message, MessageContent, MessageContentDelta,
    MessageDelta, MessageDeltaBody, MessageRole, MessageStatus, MessageText, MessageTextDelta,
    RefusalContent, RefusalContentDelta, Run, TextContent, TextContentDelta,
};

use super::{IndexMap, append, item_within, json_size, set, set_option, suffix_after, unknown};

pub(super) fn index_map(message: &Message) -> IndexMap {
    IndexMap::whole(message.content.iter().map(|part| match part {
        MessageContent::Text(part) => part.text.annotations.len(),
        _ => 0,
    }))
}

/// Creates a message without content before its first delta is applied. Fields that neither the delta nor
/// the run has are unset.
pub(super) fn from_delta(delta: &MessageDelta, run: Option<&Run>) -> Message {
    let (status, role) = (MessageStatus::InProgress, MessageRole::Assistant);
    let mut message = Message::new(delta.id.clone(), 0, "", status, role, Vec::new());
    (message.created_at, message.status, message.role) = (None, None, None);
    message.thread_id = run.map(|run| run.thread_id.clone());
    message.run_id = run.map(|run| run.id.clone());
    message
}

pub(in crate::streaming) fn message_has_ended(message: &Message) -> bool {
    matches!(message.status, Some(MessageStatus::Completed | MessageStatus::Incomplete))
}

/// Returns whether a message has not ended and has less content than is known from deltas.
pub(super) fn is_behind(message: &Message, known: &Message) -> bool {
    !message_has_ended(message) && json_size(&message.content) < json_size(&known.content)
}

pub(super) fn extend(message: &mut Message, indexes: &mut IndexMap, body: &MessageDeltaBody) {
    set_option(&mut message.role, body.role.as_ref());
    for (place, delta) in (0..).zip(body.content.as_deref().unwrap_or_default()) {
        let index = match delta {
            MessageContentDelta::Text(delta) => delta.index,
            MessageContentDelta::Refusal(delta) => delta.index,
            MessageContentDelta::ImageFile(delta) => delta.index,
            MessageContentDelta::ImageUrl(delta) => delta.index,
            MessageContentDelta::Unknown(delta) => unknown::index(delta),
            _ => continue,
        };
        let index = index.unwrap_or(place);
        let item = indexes.item(&mut message.content, index, || empty(delta));
        if let Some((part, annotations)) = item {
            extend_part(part, annotations, delta);
        }
    }
}

/// Creates an empty content part of the same type as the delta.
fn empty(delta: &MessageContentDelta) -> Option<MessageContent> {
    Some(match delta {
        MessageContentDelta::Text(_) => TextContent::new(MessageText::new("", Vec::new())).into(),
        MessageContentDelta::Refusal(_) => RefusalContent::new("").into(),
        MessageContentDelta::ImageFile(_) => ImageFileContent::new(ImageFile::new("")).into(),
        MessageContentDelta::ImageUrl(_) => ImageUrlContent::new(ImageUrl::new("")).into(),
        MessageContentDelta::Unknown(_) => MessageContent::Unknown(unknown::empty()),
        _ => return None,
    })
}

/// Applies a delta to a content part. A delta of another type is ignored: the complete message
/// follows.
fn extend_part(part: &mut MessageContent, indexes: &mut Vec<u64>, delta: &MessageContentDelta) {
    match (part, delta) {
        (MessageContent::Text(part), MessageContentDelta::Text(delta)) => {
            let Some(text) = &delta.text else { return };
            append(&mut part.text.value, text.value.as_ref());
            for (place, delta) in (0..).zip(text.annotations.as_deref().unwrap_or_default()) {
                extend_annotations(&mut part.text.annotations, indexes, place, delta);
            }
        }
        (MessageContent::Refusal(part), MessageContentDelta::Refusal(delta)) => {
            append(&mut part.refusal, delta.refusal.as_ref());
        }
        (MessageContent::ImageFile(part), MessageContentDelta::ImageFile(delta)) => {
            if let Some(image) = &delta.image_file {
                set(&mut part.image_file.file_id, image.file_id.as_ref());
                set_option(&mut part.image_file.detail, image.detail.as_ref());
            }
        }
        (MessageContent::ImageUrl(part), MessageContentDelta::ImageUrl(delta)) => {
            if let Some(image) = &delta.image_url {
                set(&mut part.image_url.url, image.url.as_ref());
                set_option(&mut part.image_url.detail, image.detail.as_ref());
            }
        }
        (MessageContent::Unknown(part), MessageContentDelta::Unknown(delta)) => {
            unknown::extend(part, delta);
        }
        _ => {}
    }
}

fn extend_annotations(
    annotations: &mut Vec<Annotation>,
    indexes: &mut Vec<u64>,
    place: u64,
    delta: &AnnotationDelta,
) {
    match delta {
        AnnotationDelta::FileCitation(delta) => {
            let new = || Some(FileCitationAnnotation::default().into());
            let index = delta.index.unwrap_or(place);
            let item = item_within(indexes, annotations, index, new);
            if let Some(Annotation::FileCitation(known)) = item {
                set(&mut known.text, delta.text.as_ref());
                if let Some(id) =
                    delta.file_citation.as_ref().and_then(|file| file.file_id.as_ref())
                {
                    known
                        .file_citation
                        .get_or_insert_with(|| FileCitation::new(""))
                        .file_id
                        .clone_from(id);
                }
                set_option(&mut known.start_index, delta.start_index.as_ref());
                set_option(&mut known.end_index, delta.end_index.as_ref());
            }
        }
        AnnotationDelta::FilePath(delta) => {
            let new = || Some(FilePathAnnotation::default().into());
            let index = delta.index.unwrap_or(place);
            let item = item_within(indexes, annotations, index, new);
            if let Some(Annotation::FilePath(known)) = item {
                set(&mut known.text, delta.text.as_ref());
                if let Some(id) = delta.file_path.as_ref().and_then(|file| file.file_id.as_ref()) {
                    known.file_path.get_or_insert_with(|| FilePath::new("")).file_id.clone_from(id);
                }
                set_option(&mut known.start_index, delta.start_index.as_ref());
                set_option(&mut known.end_index, delta.end_index.as_ref());
            }
        }
        AnnotationDelta::Unknown(delta) => {
            let new = || Some(Annotation::Unknown(unknown::empty()));
            let index = unknown::index(delta).unwrap_or(place);
            let item = item_within(indexes, annotations, index, new);
            if let Some(Annotation::Unknown(known)) = item {
                unknown::extend(known, delta);
            }
        }
        _ => {}
    }
}

/// Returns the delta from a known state of a message to its current state, if they differ.
pub(in crate::streaming) fn next_message_delta(
    known: &Message,
    now: &Message,
) -> Option<MessageDelta> {
    let deltas = now.content.iter().enumerate().filter_map(|(index, part)| {
        let known = known.content.get(index);
        delta_of_part(known, part, index as u64)
    });
    let deltas: Vec<MessageContentDelta> = deltas.collect();
    if deltas.is_empty() {
        return None;
    }
    let mut body = MessageDeltaBody::default();
    body.role = now.role.clone().filter(|_| known.content.is_empty());
    body.content = Some(deltas);
    Some(MessageDelta::new(now.id.clone(), body))
}

fn delta_of_part(
    known: Option<&MessageContent>,
    part: &MessageContent,
    index: u64,
) -> Option<MessageContentDelta> {
    Some(match (part, known) {
        (MessageContent::Text(part), Some(MessageContent::Text(known))) => {
            delta_of_text(&known.text, &part.text, index)?.into()
        }
        (MessageContent::Text(part), None) => {
            let mut delta = delta_of_text(&MessageText::new("", Vec::new()), &part.text, index)
                .unwrap_or_else(|| TextContentDelta::new(index));
            let text = delta.text.get_or_insert_default();
            text.value.get_or_insert_default();
            text.annotations.get_or_insert_default();
            delta.into()
        }
        (MessageContent::Refusal(part), known) => {
            let known = match known {
                Some(MessageContent::Refusal(known)) => known.refusal.as_str(),
                Some(_) => return None,
                None => "",
            };
            let mut delta = RefusalContentDelta::new(index);
            delta.refusal = Some(suffix_after(&part.refusal, known)?);
            delta.into()
        }
        (MessageContent::ImageFile(part), None) => {
            let mut image = ImageFileDelta::default();
            image.file_id = Some(part.image_file.file_id.clone());
            image.detail.clone_from(&part.image_file.detail);
            let mut delta = ImageFileContentDelta::new(index);
            delta.image_file = Some(image);
            delta.into()
        }
        (MessageContent::ImageUrl(part), None) => {
            let mut image = ImageUrlDelta::default();
            image.url = Some(part.image_url.url.clone());
            image.detail.clone_from(&part.image_url.detail);
            let mut delta = ImageUrlContentDelta::new(index);
            delta.image_url = Some(image);
            delta.into()
        }
        (MessageContent::Unknown(part), None) => {
            MessageContentDelta::Unknown(unknown::with_index(part, index))
        }
        _ => return None,
    })
}

fn delta_of_text(known: &MessageText, text: &MessageText, index: u64) -> Option<TextContentDelta> {
    let value = suffix_after(&text.value, &known.value);
    let annotations = text.annotations.iter().enumerate().filter(|(index, annotation)| {
        match known.annotations.get(*index) {
            // The fields of an annotation are replaced, so a delta can contain all of them.
            Some(known) => known != *annotation && !matches!(known, Annotation::Unknown(_)),
            None => true,
        }
    });
    let annotations: Vec<AnnotationDelta> = annotations
        .filter_map(|(index, annotation)| annotation_delta(annotation, index as u64))
        .collect();
    if value.is_none() && annotations.is_empty() {
        return None;
    }
    let mut text = MessageTextDelta::default();
    text.value = value;
    text.annotations = (!annotations.is_empty()).then_some(annotations);
    let mut delta = TextContentDelta::new(index);
    delta.text = Some(text);
    Some(delta)
}

fn annotation_delta(annotation: &Annotation, index: u64) -> Option<AnnotationDelta> {
    Some(match annotation {
        Annotation::FileCitation(whole) => {
            let file = whole.file_citation.as_ref().map(|citation| {
                let mut file = FileCitationDelta::default();
                file.file_id = Some(citation.file_id.clone());
                file
            });
            let mut delta = FileCitationAnnotationDelta::new(index);
            delta.text = Some(whole.text.clone());
            delta.file_citation = file;
            delta.start_index = whole.start_index;
            delta.end_index = whole.end_index;
            delta.into()
        }
        Annotation::FilePath(whole) => {
            let file = whole.file_path.as_ref().map(|path| {
                let mut file = FilePathDelta::default();
                file.file_id = Some(path.file_id.clone());
                file
            });
            let mut delta = FilePathAnnotationDelta::new(index);
            delta.text = Some(whole.text.clone());
            delta.file_path = file;
            delta.start_index = whole.start_index;
            delta.end_index = whole.end_index;
            delta.into()
        }
        Annotation::Unknown(whole) => AnnotationDelta::Unknown(unknown::with_index(whole, index)),
        _ => return None,
    })
}

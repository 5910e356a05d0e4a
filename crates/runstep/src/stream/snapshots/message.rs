//! The parts of a message, from pieces.

use runstep_api::types::{
    Annotation, AnnotationDelta, FileCitation, FileCitationAnnotation, FileCitationAnnotationDelta,
    FileCitationDelta, FilePath, FilePathAnnotation, FilePathAnnotationDelta, FilePathDelta,
    ImageFile, ImageFileContent, ImageFileContentDelta, ImageFileDelta, ImageUrl, ImageUrlContent,
    ImageUrlContentDelta, ImageUrlDelta, Message, MessageContent, MessageContentDelta,
    MessageDelta, MessageDeltaBody, MessageText, MessageTextDelta, RefusalContent,
    RefusalContentDelta, TextContent, TextContentDelta,
};

use super::{Places, beyond, item_within, push, set, set_some, unknown};

pub(super) fn places(message: &Message) -> Places {
    Places::whole(message.content.iter().map(|part| match part {
        MessageContent::Text(part) => part.text.annotations.len(),
        _ => 0,
    }))
}

pub(super) fn extend(message: &mut Message, places: &mut Places, delta: &MessageDeltaBody) {
    set(&mut message.role, delta.role.as_ref());
    for piece in delta.content.iter().flatten() {
        let index = match piece {
            MessageContentDelta::Text(piece) => piece.index,
            MessageContentDelta::Refusal(piece) => piece.index,
            MessageContentDelta::ImageFile(piece) => piece.index,
            MessageContentDelta::ImageUrl(piece) => piece.index,
            MessageContentDelta::Unknown(piece) => unknown::index(piece),
            _ => continue,
        };
        let item = places.item(&mut message.content, index, || empty(piece));
        if let Some((part, annotations)) = item {
            extend_part(part, annotations, piece);
        }
    }
}

/// A part that nothing has been told of but its kind.
fn empty(piece: &MessageContentDelta) -> Option<MessageContent> {
    Some(match piece {
        MessageContentDelta::Text(_) => TextContent::new(MessageText::new("", Vec::new())).into(),
        MessageContentDelta::Refusal(_) => RefusalContent::new("").into(),
        MessageContentDelta::ImageFile(_) => ImageFileContent::new(ImageFile::new("")).into(),
        MessageContentDelta::ImageUrl(_) => ImageUrlContent::new(ImageUrl::new("")).into(),
        MessageContentDelta::Unknown(_) => MessageContent::Unknown(unknown::empty()),
        _ => return None,
    })
}

/// A piece of another kind than the part is left out: the whole message will tell.
fn extend_part(part: &mut MessageContent, places: &mut Vec<u64>, piece: &MessageContentDelta) {
    match (part, piece) {
        (MessageContent::Text(part), MessageContentDelta::Text(piece)) => {
            let Some(piece) = &piece.text else { return };
            push(&mut part.text.value, piece.value.as_ref());
            for piece in piece.annotations.iter().flatten() {
                extend_annotations(&mut part.text.annotations, places, piece);
            }
        }
        (MessageContent::Refusal(part), MessageContentDelta::Refusal(piece)) => {
            push(&mut part.refusal, piece.refusal.as_ref());
        }
        (MessageContent::ImageFile(part), MessageContentDelta::ImageFile(piece)) => {
            if let Some(image) = &piece.image_file {
                set(&mut part.image_file.file_id, image.file_id.as_ref());
                set_some(&mut part.image_file.detail, image.detail.as_ref());
            }
        }
        (MessageContent::ImageUrl(part), MessageContentDelta::ImageUrl(piece)) => {
            if let Some(image) = &piece.image_url {
                set(&mut part.image_url.url, image.url.as_ref());
                set_some(&mut part.image_url.detail, image.detail.as_ref());
            }
        }
        (MessageContent::Unknown(part), MessageContentDelta::Unknown(piece)) => {
            unknown::extend(part, piece);
        }
        _ => {}
    }
}

fn extend_annotations(
    annotations: &mut Vec<Annotation>,
    places: &mut Vec<u64>,
    piece: &AnnotationDelta,
) {
    match piece {
        AnnotationDelta::FileCitation(piece) => {
            let new = || {
                let file = FileCitation::new("");
                Some(FileCitationAnnotation::new("", file, 0_u64, 0_u64).into())
            };
            let item = item_within(places, annotations, piece.index, new);
            if let Some(Annotation::FileCitation(known)) = item {
                set(&mut known.text, piece.text.as_ref());
                let file = piece.file_citation.as_ref();
                set(&mut known.file_citation.file_id, file.and_then(|file| file.file_id.as_ref()));
                set(&mut known.start_index, piece.start_index.as_ref());
                set(&mut known.end_index, piece.end_index.as_ref());
            }
        }
        AnnotationDelta::FilePath(piece) => {
            let new = || Some(FilePathAnnotation::new("", FilePath::new(""), 0_u64, 0_u64).into());
            let item = item_within(places, annotations, piece.index, new);
            if let Some(Annotation::FilePath(known)) = item {
                set(&mut known.text, piece.text.as_ref());
                let file = piece.file_path.as_ref();
                set(&mut known.file_path.file_id, file.and_then(|file| file.file_id.as_ref()));
                set(&mut known.start_index, piece.start_index.as_ref());
                set(&mut known.end_index, piece.end_index.as_ref());
            }
        }
        AnnotationDelta::Unknown(piece) => {
            let new = || Some(Annotation::Unknown(unknown::empty()));
            let item = item_within(places, annotations, unknown::index(piece), new);
            if let Some(Annotation::Unknown(known)) = item {
                unknown::extend(known, piece);
            }
        }
        _ => {}
    }
}

/// The piece that brings what is known of a message to what it is; none if nothing is missing.
pub(in crate::stream) fn next_message_delta(
    known: &Message,
    now: &Message,
) -> Option<MessageDelta> {
    let pieces = now.content.iter().enumerate().filter_map(|(index, part)| {
        let known = known.content.get(index);
        missing_part(known, part, index as u64)
    });
    let pieces: Vec<MessageContentDelta> = pieces.collect();
    if pieces.is_empty() {
        return None;
    }
    let mut delta = MessageDeltaBody::default();
    delta.role = known.content.is_empty().then(|| now.role.clone());
    delta.content = Some(pieces);
    Some(MessageDelta::new(now.id.clone(), delta))
}

fn missing_part(
    known: Option<&MessageContent>,
    part: &MessageContent,
    index: u64,
) -> Option<MessageContentDelta> {
    Some(match (part, known) {
        (MessageContent::Text(part), Some(MessageContent::Text(known))) => {
            missing_text(&known.text, &part.text, index)?.into()
        }
        (MessageContent::Text(part), None) => {
            let mut piece = missing_text(&MessageText::new("", Vec::new()), &part.text, index)
                .unwrap_or_else(|| TextContentDelta::new(index));
            let text = piece.text.get_or_insert_default();
            text.value.get_or_insert_default();
            text.annotations.get_or_insert_default();
            piece.into()
        }
        (MessageContent::Refusal(part), known) => {
            let known = match known {
                Some(MessageContent::Refusal(known)) => known.refusal.as_str(),
                Some(_) => return None,
                None => "",
            };
            let mut piece = RefusalContentDelta::new(index);
            piece.refusal = Some(beyond(&part.refusal, known)?);
            piece.into()
        }
        (MessageContent::ImageFile(part), None) => {
            let mut image = ImageFileDelta::default();
            image.file_id = Some(part.image_file.file_id.clone());
            image.detail.clone_from(&part.image_file.detail);
            let mut piece = ImageFileContentDelta::new(index);
            piece.image_file = Some(image);
            piece.into()
        }
        (MessageContent::ImageUrl(part), None) => {
            let mut image = ImageUrlDelta::default();
            image.url = Some(part.image_url.url.clone());
            image.detail.clone_from(&part.image_url.detail);
            let mut piece = ImageUrlContentDelta::new(index);
            piece.image_url = Some(image);
            piece.into()
        }
        (MessageContent::Unknown(part), None) => {
            MessageContentDelta::Unknown(unknown::with_index(part, index))
        }
        _ => return None,
    })
}

fn missing_text(known: &MessageText, text: &MessageText, index: u64) -> Option<TextContentDelta> {
    let value = beyond(&text.value, &known.value);
    let annotations = text.annotations.iter().enumerate().filter(|(index, annotation)| {
        match known.annotations.get(*index) {
            // Fields are set, not added to, so that the whole of one is a piece too.
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
    let mut delta = MessageTextDelta::default();
    delta.value = value;
    delta.annotations = (!annotations.is_empty()).then_some(annotations);
    let mut piece = TextContentDelta::new(index);
    piece.text = Some(delta);
    Some(piece)
}

fn annotation_delta(annotation: &Annotation, index: u64) -> Option<AnnotationDelta> {
    Some(match annotation {
        Annotation::FileCitation(whole) => {
            let mut file = FileCitationDelta::default();
            file.file_id = Some(whole.file_citation.file_id.clone());
            let mut piece = FileCitationAnnotationDelta::new(index);
            piece.text = Some(whole.text.clone());
            piece.file_citation = Some(file);
            piece.start_index = Some(whole.start_index);
            piece.end_index = Some(whole.end_index);
            piece.into()
        }
        Annotation::FilePath(whole) => {
            let mut file = FilePathDelta::default();
            file.file_id = Some(whole.file_path.file_id.clone());
            let mut piece = FilePathAnnotationDelta::new(index);
            piece.text = Some(whole.text.clone());
            piece.file_path = Some(file);
            piece.start_index = Some(whole.start_index);
            piece.end_index = Some(whole.end_index);
            piece.into()
        }
        Annotation::Unknown(whole) => AnnotationDelta::Unknown(unknown::with_index(whole, index)),
        _ => return None,
    })
}

// The content of messages, as text. Citations are marked.

import type { Annotation, ContentPart, Message } from '../api/types';

/** Splits a text at its annotations. */
export function segments(value: string, annotations: Annotation[]): { text: string; annotation?: Annotation }[] {
  // The positions are in characters, not in UTF-16 units.
  const characters = Array.from(value);
  const sorted = annotations
    .filter((annotation) => annotation.start_index !== undefined && annotation.end_index !== undefined)
    .sort((a, b) => (a.start_index ?? 0) - (b.start_index ?? 0));
  const result: { text: string; annotation?: Annotation }[] = [];
  let position = 0;
  for (const annotation of sorted) {
    const start = annotation.start_index ?? 0;
    const end = Math.min(annotation.end_index ?? 0, characters.length);
    if (start < position || end <= start) continue;
    result.push({ text: characters.slice(position, start).join('') });
    result.push({ text: characters.slice(start, end).join(''), annotation });
    position = end;
  }
  result.push({ text: characters.slice(position).join('') });
  return result.filter((segment) => segment.text !== '');
}

function source(annotation: Annotation): string {
  return annotation.file_citation?.file_id ?? annotation.file_path?.file_id ?? 'unknown file';
}

function Part({ part }: { part: ContentPart }) {
  if (part.type === 'text' && part.text) {
    const annotations = part.text.annotations ?? [];
    const citations = annotations.filter((annotation) => annotation.type === 'file_citation');
    return (
      <>
        <p class="message-text">
          {segments(part.text.value ?? '', annotations).map(({ text, annotation }, index) =>
            annotation ? (
              <mark key={index} class="citation" title={`${text} — ${source(annotation)}`}>
                {annotation.type === 'file_citation' ? citations.indexOf(annotation) + 1 : text}
              </mark>
            ) : (
              text
            ),
          )}
        </p>
        {citations.length > 0 && (
          <ol class="citations" aria-label="Sources">
            {citations.map((citation, index) => (
              <li key={index}>
                <code>{source(citation)}</code> <span class="muted">{citation.text}</span>
              </li>
            ))}
          </ol>
        )}
      </>
    );
  }
  if (part.type === 'refusal') return <p class="message-text refusal">Refusal: {part.refusal}</p>;
  const image = part.image_file?.file_id ?? part.image_url?.url ?? '';
  // Images are not loaded: the page sends no requests to other hosts.
  return <p class="muted">Image {image.length > 80 ? `${image.slice(0, 80)}…` : image}</p>;
}

export function MessageContent({ message }: { message: Message }) {
  const parts = (message.content ?? []) as ContentPart[];
  return (
    <>
      {parts.length === 0 && <p class="muted">{message.status === 'in_progress' ? '…' : 'No content'}</p>}
      {parts.map((part, index) => (
        <Part key={index} part={part} />
      ))}
    </>
  );
}

/** Returns the text of a message, without other content. */
export function messageText(message: Message): string {
  return ((message.content ?? []) as ContentPart[]).map((part) => part.text?.value ?? '').join('\n');
}

// Server-sent events. EventSource cannot send an API key.

export interface ServerEvent {
  id?: string;
  name: string;
  data: string;
}

/** Reads events until the end of a body. */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  receive: (event: ServerEvent) => void,
): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  const parser = new EventParser(receive);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.push(value);
  }
}

/** Parses text that arrives in pieces. */
export class EventParser {
  private rest = '';
  private id: string | undefined;
  private name = '';
  private data: string[] = [];

  constructor(private readonly receive: (event: ServerEvent) => void) {}

  push(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.line(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  private line(line: string): void {
    if (line === '') {
      if (this.data.length > 0) {
        this.receive({ id: this.id, name: this.name || 'message', data: this.data.join('\n') });
      }
      this.id = undefined;
      this.name = '';
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.name = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id') this.id = value;
  }
}
